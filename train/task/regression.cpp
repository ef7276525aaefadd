#include <backflow/train/task/regression.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <backflow/ops/functions.h>

namespace backflow::train {
namespace {

// The parts of a batch: the loss, samples, the sum of absolute errors; then for each output the sum of squared errors,
// the mean target, and the sum of squared differences from it.
constexpr std::size_t kLoss = 0;
constexpr std::size_t kSamples = 1;
constexpr std::size_t kAbsolute = 2;
constexpr std::size_t kOutputs = 3;
constexpr std::size_t kPerOutput = 3;

/// Errors and targets of one output over samples.
struct OutputSums {
  double squared_error = 0;
  double mean = 0;
  double spread = 0;

  /// Adds those of further samples: Chan, Golub and LeVeque: "Updating formulae and a pairwise algorithm for computing
  /// sample variances", 1979.
  void add(double own_n, double other_n, const OutputSums& other) {
    const double n = own_n + other_n;
    const double distance = other.mean - mean;
    squared_error += other.squared_error;
    spread += other.spread + distance * distance * own_n * other_n / n;
    mean += distance * other_n / n;
  }
  double r2() const { return spread > 0 ? 1 - squared_error / spread : squared_error > 0 ? 0 : 1; }
};

/// Of output `d` of `outputs`, in rows of y and t; adds to the sum of absolute errors.
template <class T>
OutputSums sums_of(const T* y, const T* t, std::int64_t n, std::int64_t outputs, std::int64_t d, double& absolute) {
  OutputSums sums;
  for (std::int64_t i = 0; i < n; ++i) {
    sums.mean += static_cast<double>(t[i * outputs + d]);
  }
  sums.mean /= static_cast<double>(n);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto target = static_cast<double>(t[i * outputs + d]);
    const double error = static_cast<double>(y[i * outputs + d]) - target;
    sums.squared_error += error * error;
    sums.spread += (target - sums.mean) * (target - sums.mean);
    absolute += std::abs(error);
  }
  return sums;
}

}  // namespace

Regression::Regression(const TaskOptions& options, const std::string& loss, DataInfo data)
    : data_(std::move(data)), loss_(element_loss(options, loss)) {}

Tensor Regression::loss_sum(const Tensor& output, const Batch& batch) const {
  return sum_over_samples(loss_, output, batch.target, batch.weight);
}

std::vector<MetricInfo> Regression::metrics() const {
  return {{"loss", Better::Lower},
          {"mae", Better::Lower},
          {"mse", Better::Lower},
          {"rmse", Better::Lower},
          {"r2", Better::Higher}};
}

BatchMeasure Regression::measure(const Tensor& output, const Batch& batch, double loss_sum) const {
  const Tensor y = contiguous(output);
  const Tensor t = contiguous(fitted_target(output, batch.target));
  const std::int64_t n = y.size(0);
  const std::int64_t outputs = numel_of(data_.target_shape);
  check(y.numel() == n * outputs, "metrics: outputs ", describe(y), " for targets of shape ", data_.target_shape,
        ": need as many numbers for each sample");
  BatchMeasure measure{.parts = std::vector<double>(kOutputs + kPerOutput * static_cast<std::size_t>(outputs)),
                       .counts = {}};
  measure.parts[kLoss] = loss_sum;
  measure.parts[kSamples] = static_cast<double>(n);
  dispatch_floating(y.scalar_type(), "metrics", [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t d = 0; d < outputs; ++d) {
      const OutputSums sums =
          sums_of(y.const_data_ptr<T>(), t.const_data_ptr<T>(), n, outputs, d, measure.parts[kAbsolute]);
      double* const at = measure.parts.data() + kOutputs + kPerOutput * static_cast<std::size_t>(d);
      at[0] = sums.squared_error;
      at[1] = sums.mean;
      at[2] = sums.spread;
    }
  });
  return measure;
}

Evaluation Regression::summary(const DataMeasure& data) const {
  const auto outputs = static_cast<std::size_t>(numel_of(data_.target_shape));
  std::vector<OutputSums> sums(outputs);
  double loss = 0;
  double absolute = 0;
  double n = 0;
  for (const std::vector<double>& part : data.parts) {
    for (std::size_t d = 0; d < outputs; ++d) {
      const double* const at = part.data() + kOutputs + kPerOutput * d;
      sums[d].add(n, part[kSamples], {at[0], at[1], at[2]});
    }
    loss += part[kLoss];
    absolute += part[kAbsolute];
    n += part[kSamples];
  }
  double squared = 0;
  double r2 = 0;
  for (const OutputSums& output : sums) {
    squared += output.squared_error;
    r2 += output.r2();
  }
  const double samples = std::max(n, 1.0);
  const double numbers = samples * std::max(static_cast<double>(outputs), 1.0);
  const double mse = squared / numbers;
  return {.samples = data.samples,
          .metrics = {{"loss", loss / samples},
                      {"mae", absolute / numbers},
                      {"mse", mse},
                      {"rmse", std::sqrt(mse)},
                      {"r2", r2 / std::max(static_cast<double>(outputs), 1.0)}},
          .classes = {},
          .confusion = {}};
}

}  // namespace backflow::train
