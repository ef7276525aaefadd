#pragma once

#include <backflow/train/data/data_info.h>
#include <backflow/train/task/difference_loss.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// Several labels at once, each there or not: binary cross-entropy of logits [n, labels]. Metrics: "loss", "accuracy"
/// (of single labels), "exact_match" (samples with all labels right), "precision", "recall", "f1" (means over labels).
class MultiLabel final : public Task {
 public:
  MultiLabel(const TaskOptions& options, DataInfo data);

  std::string name() const override { return "multi_label"; }
  DimVector output_shape() const override { return data_.target_shape; }
  Tensor loss_sum(const Tensor& output, const Batch& batch) const override;
  std::vector<MetricInfo> metrics() const override;
  BatchMeasure measure(const Tensor& output, const Batch& batch, double loss_sum) const override;
  Evaluation summary(const DataMeasure& data) const override;
  Tensor predict(const Tensor& output) const override;
  std::vector<std::string> output_names() const override { return data_.target_names; }

 private:
  const DataInfo data_;
  const double threshold_;
  const ElementLoss loss_;
};

}  // namespace backflow::train
