#pragma once

#include <backflow/train/data/data_info.h>
#include <backflow/train/task/class_counts.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// One class for each sample, or for each token of a sequence: cross-entropy of scores [n, classes], or [n, length,
/// classes]. Metrics: "loss", "accuracy", "top5" and so on, "precision", "recall", "f1" (means over classes).
class Classification final : public Task {
 public:
  Classification(const TaskOptions& options, DataInfo data);

  std::string name() const override { return "classification"; }
  DimVector output_shape() const override;
  Tensor loss_sum(const Tensor& output, const Batch& batch) const override;
  std::vector<MetricInfo> metrics() const override;
  BatchMeasure measure(const Tensor& output, const Batch& batch, double loss_sum) const override;
  Evaluation summary(const DataMeasure& data) const override;
  Tensor predict(const Tensor& output) const override;
  bool has_classes() const override { return true; }
  std::vector<std::string> output_names() const override { return data_.class_names; }

 private:
  std::string class_name(std::int64_t c) const;

  const DataInfo data_;
  const double smoothing_;
  const ClassCounts counts_;
};

}  // namespace backflow::train
