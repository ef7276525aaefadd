#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>
#include <backflow/train/data/data_options.h>

// Values that are missing, by data.missing: cells of CSV files, NaN in arrays.

namespace backflow::train {

/// What missing values of each feature become: options.fill_values, or else zeros. Of "mean" the result of `means`,
/// which is put into the options as fill_values. Throws io::ConfigError for another number of fill_values than of
/// features.
std::vector<double> fill_values(DataOptions& options, std::size_t features,
                                const std::function<std::vector<double>()>& means);

/// Features of samples of this shape, each of which has a fill value: the channels of [channels, height, width], the
/// numbers of [features]; 1 otherwise.
std::int64_t features_of(IntArrayRef sample_shape);

/// The mean of each feature over samples that come in pieces. NaN do not count. The same bits for any pieces.
class FeatureMeans {
 public:
  explicit FeatureMeans(std::int64_t features);
  /// Adds samples [n, ...].
  void add(const Tensor& samples);
  /// 0 for a feature without a number.
  std::vector<double> means() const;

 private:
  std::vector<double> sums_;
  std::vector<double> counts_;
};

/// Replaces each NaN in samples [n, ...] by the value of its feature. Samples of integers stay.
void fill_missing(Tensor& samples, std::span<const double> values);

/// The rows of samples [n, ...] and targets [n, ...] (which may be undefined) in which no number is NaN; all if so.
std::vector<std::int64_t> complete_rows(const Tensor& samples, const Tensor& targets);

}  // namespace backflow::train
