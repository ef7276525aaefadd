#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <backflow/train/data/data_info.h>

namespace backflow::train {

/// Samples as they are stored, before normalization.
struct RawBatch {
  Tensor samples;  ///< [n, ...] of the source's dtype
  Tensor targets;  ///< int64 for classes and tokens, float64 for values and labels; undefined where the kind is Input
};

/// Where samples come from: memory, or a file that is read as they are asked for. Functions are thread-safe.
class SampleSource {
 public:
  virtual ~SampleSource() = default;

  virtual std::int64_t size() const = 0;
  /// `sample_dtype` is that of RawBatch::samples: uint8 (pixels and bits, which become 0 to 1), float32, float64,
  /// int64.
  virtual const DataInfo& info() const = 0;
  /// The samples of these numbers, each below size().
  virtual RawBatch read(std::span<const std::int64_t> indices) const = 0;
  /// What the data are, for comparing them: "60000 samples of [28, 28] in 10 classes, digest 0f3a...".
  virtual std::string description() const = 0;
  /// Samples that are read together: those of a block of a file, from a multiple of this on. 1: any sample is as near.
  virtual std::int64_t block() const { return 1; }
  /// Blocks that are kept in memory at once.
  virtual std::int64_t kept_blocks() const { return 1; }
  /// "train.csv: record 17", for messages on one sample.
  virtual std::string where(std::int64_t index) const = 0;
};

/// Samples in memory.
class TensorSource : public SampleSource {
 public:
  /// `samples` [n, ...] and `targets` [n, ...], row-major; `file` is for messages. Info's sample_dtype is taken from
  /// the samples. Throws Error when the two differ in n.
  TensorSource(Tensor samples, Tensor targets, DataInfo info, std::string file);

  std::int64_t size() const override { return samples_.size(0); }
  const DataInfo& info() const override { return info_; }
  RawBatch read(std::span<const std::int64_t> indices) const override;
  std::string description() const override;
  std::string where(std::int64_t index) const override;

  const Tensor& samples() const { return samples_; }
  const Tensor& targets() const { return targets_; }

 private:
  Tensor samples_;
  Tensor targets_;
  DataInfo info_;
  std::string file_;
};

/// "in 10 classes", "with 2 values each" and so on, of a description.
std::string describe_targets(const DataInfo& info);

}  // namespace backflow::train
