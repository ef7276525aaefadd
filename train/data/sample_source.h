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
  SampleSource() = default;
  virtual ~SampleSource() = default;
  SampleSource(const SampleSource&) = delete;
  SampleSource& operator=(const SampleSource&) = delete;

  virtual std::int64_t size() const = 0;
  /// `sample_dtype` is that of RawBatch::samples: uint8 (pixels, which become 0 to 1), float32, float64 or int64.
  virtual const DataInfo& info() const = 0;
  /// The samples of these numbers, each below size().
  virtual RawBatch read(std::span<const std::int64_t> indices) const = 0;
  /// Their targets alone.
  virtual Tensor read_targets(std::span<const std::int64_t> indices) const = 0;
  /// What the data are, for comparing them: "60000 samples of [28, 28] in 10 classes, digest 0f3a...".
  virtual std::string description() const = 0;
  /// Samples that are read together: those of a block of a file, from a multiple of this on. 1: any sample is as near.
  virtual std::int64_t block() const { return 1; }
  /// Blocks that are kept in memory at once.
  virtual std::int64_t kept_blocks() const { return 1; }
};

/// Samples in memory.
class TensorSource : public SampleSource {
 public:
  /// `samples` [n, ...] and `targets` [n, ...] or undefined, row-major. Info's sample_dtype is taken from the samples.
  TensorSource(Tensor samples, Tensor targets, DataInfo info);

  std::int64_t size() const override { return samples_.size(0); }
  const DataInfo& info() const override { return info_; }
  RawBatch read(std::span<const std::int64_t> indices) const override;
  Tensor read_targets(std::span<const std::int64_t> indices) const override;
  std::string description() const override;

  const Tensor& samples() const { return samples_; }
  const Tensor& targets() const { return targets_; }

 private:
  Tensor samples_;
  Tensor targets_;
  DataInfo info_;
};

/// Samples of which the number, the shape and the targets alone are known, for a look at what a run would be.
class DescribedSource : public SampleSource {
 public:
  /// `targets` [size, ...], or undefined where the kind is Input.
  DescribedSource(std::int64_t size, Tensor targets, DataInfo info, std::int64_t block = 1);

  std::int64_t size() const override { return size_; }
  const DataInfo& info() const override { return info_; }
  /// Throws Error.
  RawBatch read(std::span<const std::int64_t> indices) const override;
  Tensor read_targets(std::span<const std::int64_t> indices) const override;
  /// Without a digest.
  std::string description() const override;
  std::int64_t block() const override { return block_; }

 private:
  std::int64_t size_;
  Tensor targets_;
  DataInfo info_;
  std::int64_t block_;
};

/// The rows of these numbers of a row-major tensor [n, ...].
Tensor rows_of(const Tensor& from, std::span<const std::int64_t> indices);

/// " in 10 classes", " with values of [2]" and so on, of a description.
std::string describe_targets(const DataInfo& info);

/// Of samples stored as [n, stored...]: pictures [height, width] get a dimension of size 1 in front, for their channel,
/// and single numbers [] become [1].
DimVector shape_for_models(IntArrayRef stored);

}  // namespace backflow::train
