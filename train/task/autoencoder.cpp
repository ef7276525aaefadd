#include <backflow/train/task/autoencoder.h>

#include <algorithm>
#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/ops/losses/loss_reduction.h>

namespace backflow::train {

Autoencoder::Autoencoder(const TaskOptions& options, const std::string& loss, DataInfo data)
    : data_(std::move(data)), gives_logits_(loss == "bce"), loss_(element_loss(options, loss)) {}

/// Data whose target is the input may have changed the sample, as by noise, and not the target.
const Tensor& Autoencoder::target_of(const Batch& batch) const {
  return data_.target == TargetKind::Input && batch.target.defined() ? batch.target : batch.x;
}

Tensor Autoencoder::loss_sum(const Tensor& output, const Batch& batch) const {
  return sum_over_samples(loss_, output, target_of(batch), batch.weight);
}

std::vector<MetricInfo> Autoencoder::metrics() const {
  return {{"loss", Better::Lower}, {"mse", Better::Lower}, {"mae", Better::Lower}};
}

BatchMeasure Autoencoder::measure(const Tensor& output, const Batch& batch, double loss_sum) const {
  const Tensor y = predict(output);
  const Tensor t = fitted_target(output, target_of(batch));
  const auto elements = static_cast<double>(y.numel()) / static_cast<double>(std::max<std::int64_t>(y.size(0), 1));
  return {.parts = {loss_sum, mse_loss(y, t, Reduction::Sum).item<double>() / elements,
                    l1_loss(y, t, Reduction::Sum).item<double>() / elements},
          .counts = {}};
}

Evaluation Autoencoder::summary(const DataMeasure& data) const {
  double sums[3] = {};
  for (const std::vector<double>& part : data.parts) {
    for (std::size_t i = 0; i < std::size(sums); ++i) {
      sums[i] += part[i];
    }
  }
  const auto n = static_cast<double>(std::max<std::int64_t>(data.samples, 1));
  return {.samples = data.samples,
          .metrics = {{"loss", sums[0] / n}, {"mse", sums[1] / n}, {"mae", sums[2] / n}},
          .classes = {},
          .confusion = {}};
}

Tensor Autoencoder::predict(const Tensor& output) const { return gives_logits_ ? sigmoid(output) : output; }

}  // namespace backflow::train
