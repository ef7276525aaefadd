#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/train/data/data_info.h>
#include <backflow/train/data/sample_source.h>

namespace backflow::train {

/// What is subtracted from samples, and what they are then divided by: of each channel of samples [channels, height,
/// width], of each feature of samples [features], or one number for all. Bytes have been scaled to [0, 1] before.
struct Normalization {
  std::vector<double> means = {0};
  std::vector<double> stds = {1};
};

class Augmentation;

/// How samples become batches.
struct BatchOptions {
  ScalarType dtype = kFloat32;
  Normalization normalization;
  /// Of training data; empty for none. Random numbers are keyed by (seed, epoch, number of the sample).
  std::shared_ptr<const Augmentation> augmentation;
};

/// Makes batches of a data set: samples as numbers, normalized, augmented where they are training data. The same
/// numbers on any number of ranks and threads. A cheap handle; batches may be made by several threads.
class BatchMaker {
 public:
  /// All samples of a source, or those of the given numbers. Throws Error when means do not fit the samples.
  BatchMaker(std::shared_ptr<const SampleSource> source, BatchOptions options,
             std::shared_ptr<const std::vector<std::int64_t>> subset = nullptr);

  std::int64_t size() const;
  const DataInfo& info() const { return info_; }
  /// Samples of these numbers, each in [0, size()). `epoch` keys the augmentation alone.
  Batch make(const std::vector<std::int64_t>& indices, std::int64_t epoch = 0) const;

  const SampleSource& source() const { return *source_; }
  const BatchOptions& options() const { return options_; }
  /// The number of a sample in source().
  std::int64_t source_index(std::int64_t index) const;
  /// As SampleSource::block(); 1 for a part that was picked sample by sample.
  std::int64_t block() const { return block_; }
  /// As SampleSource::description(), with "54000 of " in front of a part.
  std::string description() const;

 private:
  /// Normalized and changed; of Input, `clean` is what it was before it was disturbed.
  Tensor samples(const RawBatch& raw, const std::vector<std::int64_t>& indices, std::int64_t epoch,
                 Tensor& clean) const;
  Batch make_unmixed(const std::vector<std::int64_t>& indices, std::int64_t epoch) const;
  void mix(Batch& batch, const std::vector<std::int64_t>& indices, std::int64_t epoch) const;
  Tensor one_hot_rows(const Tensor& classes) const;

  std::shared_ptr<const SampleSource> source_;
  BatchOptions options_;
  std::shared_ptr<const std::vector<std::int64_t>> subset_;
  DataInfo info_;
  std::int64_t block_;
};

/// The data of a run.
struct DataSets {
  BatchMaker train;
  std::optional<BatchMaker> validation;
  std::optional<BatchMaker> test;
};

}  // namespace backflow::train
