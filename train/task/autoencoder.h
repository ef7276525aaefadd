#pragma once

#include <backflow/train/data/data_info.h>
#include <backflow/train/task/difference_loss.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// The sample itself as the target: mean squared error, or binary cross-entropy of logits, for samples in [0, 1].
/// Metrics: "loss", and of the reconstruction "mse" and "mae", means over all elements.
class Autoencoder final : public Task {
 public:
  Autoencoder(const TaskOptions& options, const std::string& loss, DataInfo data);

  std::string name() const override { return "autoencoder"; }
  DimVector output_shape() const override { return data_.sample_shape; }
  Tensor loss_sum(const Tensor& output, const Batch& batch) const override;
  std::vector<MetricInfo> metrics() const override;
  BatchMeasure measure(const Tensor& output, const Batch& batch, double loss_sum) const override;
  Evaluation summary(const DataMeasure& data) const override;
  Tensor predict(const Tensor& output) const override;

 private:
  const Tensor& target_of(const Batch& batch) const;

  const DataInfo data_;
  const bool gives_logits_;
  const ElementLoss loss_;
};

}  // namespace backflow::train
