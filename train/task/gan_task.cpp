#include <backflow/train/task/gan_task.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>

namespace backflow::train {
namespace {

std::int64_t count_from(const Tensor& scores, double boundary) {
  const Tensor row = contiguous(scores.detach());
  std::int64_t count = 0;
  dispatch_floating(row.scalar_type(), "metrics", [&](auto zero) {
    const auto* x = row.const_data_ptr<decltype(zero)>();
    count = std::count_if(x, x + row.numel(), [&](auto score) { return static_cast<double>(score) >= boundary; });
  });
  return count;
}

}  // namespace

GanTask::GanTask(const TaskOptions& options, const std::string& loss, DataInfo data)
    : data_(std::move(data)), boundary_(loss == "bce" ? 0.0 : 0.5), loss_(element_loss(options, loss)) {}

Tensor GanTask::score_loss(const Tensor& scores, double wanted) const {
  return sum_over_samples(loss_, scores, full(scores.sizes(), wanted, scores.scalar_type()), {});
}

Tensor GanTask::loss_sum(const Tensor& output, const Batch&) const {
  const std::int64_t n = output.size(0) / 2;
  return score_loss(output.narrow(0, n, n), 1);
}

std::vector<MetricInfo> GanTask::metrics() const {
  return {{"loss", Better::Lower},
          {"discriminator_loss", Better::Lower},
          {"real_accuracy", Better::Higher},
          {"fake_accuracy", Better::Higher}};
}

BatchMeasure GanTask::measure(const Tensor& output, const Batch&, double loss_sum) const {
  const std::int64_t n = output.size(0) / 2;
  const Tensor real = output.narrow(0, 0, n);
  const Tensor fake = output.narrow(0, n, n);
  return {.parts = {loss_sum, (score_loss(real, 1) + score_loss(fake, 0)).item<double>()},
          .counts = {count_from(real, boundary_), n - count_from(fake, boundary_)}};
}

Evaluation GanTask::summary(const DataMeasure& data) const {
  double loss = 0;
  double discriminator = 0;
  for (const std::vector<double>& part : data.parts) {
    loss += part[0];
    discriminator += part[1];
  }
  const auto n = static_cast<double>(std::max<std::int64_t>(data.samples, 1));
  return {.samples = data.samples,
          .metrics = {{"loss", loss / n},
                      {"discriminator_loss", discriminator / n},
                      {"real_accuracy", static_cast<double>(data.counts[0]) / n},
                      {"fake_accuracy", static_cast<double>(data.counts[1]) / n}},
          .classes = {},
          .confusion = {}};
}

}  // namespace backflow::train
