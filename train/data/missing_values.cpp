#include <backflow/train/data/missing_values.h>

#include <cmath>

#include <backflow/runtime/tensor/dtype.h>

namespace backflow::train {
namespace {

/// Calls f(i, feature) for each element that is NaN, and g(i, feature, value) for each other one.
template <class F, class G>
void for_each_number(const Tensor& samples, std::int64_t features, const F& missing, const G& number) {
  const std::int64_t n = samples.size(0);
  const std::int64_t length = n > 0 ? samples.numel() / n / features : 0;
  dispatch_numeric(samples.scalar_type(), "data", [&](auto zero) {
    const auto* x = samples.const_data_ptr<decltype(zero)>();
    std::int64_t i = 0;
    for (std::int64_t sample = 0; sample < n; ++sample) {
      for (std::int64_t feature = 0; feature < features; ++feature) {
        for (std::int64_t k = 0; k < length; ++k, ++i) {
          const auto value = static_cast<double>(x[i]);
          std::isnan(value) ? missing(i, feature) : number(i, feature, value);
        }
      }
    }
  });
}

void mark_incomplete(const Tensor& x, std::vector<bool>& incomplete) {
  if (!x.defined() || !x.is_floating_point() || x.numel() == 0) {
    return;
  }
  const std::int64_t length = x.numel() / x.size(0);
  for_each_number(
      x, 1, [&](std::int64_t i, std::int64_t) { incomplete[static_cast<std::size_t>(i / length)] = true; },
      [](std::int64_t, std::int64_t, double) {});
}

}  // namespace

std::vector<double> fill_values(DataOptions& options, std::size_t features,
                                const std::function<std::vector<double>()>& means) {
  if (options.missing == "mean") {
    options.fill_values = means();
    options.missing = "fill";
  }
  std::vector<double> values = options.fill_values;
  if (values.size() == 1) {
    values.assign(features, values.front());
  }
  if (options.missing == "fill" && values.size() != features) {
    options.section.fail("fill_values", to_text("'fill_values' in [data] has ", values.size(),
                                                " numbers: need one, or ", features, ", one for each feature"));
  }
  values.resize(features);
  return values;
}

std::int64_t features_of(IntArrayRef sample_shape) {
  constexpr std::size_t kPicture = 3;
  return sample_shape.size() == 1 || sample_shape.size() == kPicture ? sample_shape[0] : 1;
}

FeatureMeans::FeatureMeans(std::int64_t features)
    : sums_(static_cast<std::size_t>(features)), counts_(static_cast<std::size_t>(features)) {}

void FeatureMeans::add(const Tensor& samples) {
  for_each_number(
      samples, static_cast<std::int64_t>(sums_.size()), [](std::int64_t, std::int64_t) {},
      [&](std::int64_t, std::int64_t feature, double value) {
        sums_[static_cast<std::size_t>(feature)] += value;
        counts_[static_cast<std::size_t>(feature)] += 1;
      });
}

std::vector<double> FeatureMeans::means() const {
  std::vector<double> means;
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    means.push_back(counts_[i] > 0 ? sums_[i] / counts_[i] : 0);
  }
  return means;
}

void fill_missing(Tensor& samples, std::span<const double> values) {
  if (!samples.is_floating_point()) {
    return;
  }
  dispatch_floating(samples.scalar_type(), "data", [&](auto zero) {
    using T = decltype(zero);
    T* const x = samples.mutable_data_ptr<T>();
    for_each_number(
        samples, static_cast<std::int64_t>(values.size()),
        [&](std::int64_t i, std::int64_t feature) { x[i] = static_cast<T>(values[static_cast<std::size_t>(feature)]); },
        [](std::int64_t, std::int64_t, double) {});
  });
}

std::vector<std::int64_t> complete_rows(const Tensor& samples, const Tensor& targets) {
  std::vector<bool> incomplete(static_cast<std::size_t>(samples.size(0)), false);
  mark_incomplete(samples, incomplete);
  mark_incomplete(targets, incomplete);
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < incomplete.size(); ++i) {
    if (!incomplete[i]) {
      rows.push_back(static_cast<std::int64_t>(i));
    }
  }
  return rows;
}

}  // namespace backflow::train
