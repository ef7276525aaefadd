#pragma once

#include <backflow/train/data/data_info.h>
#include <backflow/train/task/difference_loss.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// Numbers for each sample. Metrics over all numbers: "loss", "mae", "mse", "rmse", and "r2", the mean over the outputs
/// of 1 - (sum of squared errors) / (sum of squared differences from the mean target).
class Regression final : public Task {
 public:
  Regression(const TaskOptions& options, const std::string& loss, DataInfo data);

  std::string name() const override { return "regression"; }
  DimVector output_shape() const override { return data_.target_shape; }
  Tensor loss_sum(const Tensor& output, const Batch& batch) const override;
  std::vector<MetricInfo> metrics() const override;
  std::string headline() const override { return "r2"; }
  BatchMeasure measure(const Tensor& output, const Batch& batch, double loss_sum) const override;
  Evaluation summary(const DataMeasure& data) const override;
  Tensor predict(const Tensor& output) const override { return output; }
  std::vector<std::string> output_names() const override { return data_.target_names; }

 private:
  const DataInfo data_;
  const ElementLoss loss_;
};

}  // namespace backflow::train
