#pragma once

#include <backflow/train/data/data_info.h>
#include <backflow/train/task/difference_loss.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// Samples that a generator makes, judged by a discriminator. Its outputs are scores [2 n, 1], of n samples and then of
/// n that the generator made. Loss: "bce" of the scores as logits, or "mse" (LSGAN). Metrics: "loss", the generator's,
/// "discriminator_loss", and how often the discriminator is right, "real_accuracy" and "fake_accuracy".
class GanTask final : public Task {
 public:
  GanTask(const TaskOptions& options, const std::string& loss, DataInfo data);

  /// The loss of scores that are to be `wanted`, 0 or 1: summed over samples.
  Tensor score_loss(const Tensor& scores, double wanted) const;

  std::string name() const override { return "gan"; }
  DimVector output_shape() const override { return data_.sample_shape; }
  Tensor loss_sum(const Tensor& output, const Batch& batch) const override;
  std::vector<MetricInfo> metrics() const override;
  BatchMeasure measure(const Tensor& output, const Batch& batch, double loss_sum) const override;
  Evaluation summary(const DataMeasure& data) const override;
  Tensor predict(const Tensor& output) const override { return output; }

 private:
  const DataInfo data_;
  const double boundary_;  ///< scores from here on say that a sample is real
  const ElementLoss loss_;
};

}  // namespace backflow::train
