#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>
#include <backflow/train/task/metrics.h>
#include <backflow/train/task/task_options.h>

namespace backflow::train {

struct Batch;
struct DataInfo;

/// What a model is trained for: the loss of a batch, the metrics of a data set, and what predictions are. Immutable, so
/// that several threads may use it at once.
///
///   const auto task = Task::make(experiment.task, data.info());
///   Tensor loss = task->loss_sum(model.forward(batch.x), batch) / global_n;
class Task {
 public:
  /// Throws io::ConfigError, at the task's key, for a task that the data have no targets for.
  static std::unique_ptr<Task> make(const TaskOptions& options, const DataInfo& data);
  virtual ~Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  /// "classification" and so on, never "auto".
  virtual std::string name() const = 0;
  /// What the model has to give for one sample, without the batch dimension: [classes], or the shape of a target. A
  /// classification of data that do not say how many classes there are gives [0].
  virtual DimVector output_shape() const = 0;

  /// The sum over the samples of the batch of their losses: one element, on the tape. The loss of a sample is a mean
  /// over its elements. `output`: [n, ...] of output_shape(). Samples count as often as batch.weight says. Throws Error
  /// for shapes that do not fit.
  virtual Tensor loss_sum(const Tensor& output, const Batch& batch) const = 0;

  /// The metrics, "loss" first.
  virtual std::vector<MetricInfo> metrics() const = 0;
  /// The metric that people look at first.
  virtual std::string headline() const { return metrics()[1].name; }
  /// What a batch contributes; `loss_sum` is its loss, from this task or from the model. Off the tape.
  virtual BatchMeasure measure(const Tensor& output, const Batch& batch, double loss_sum) const = 0;
  /// The metrics of a data set, from those of its batches.
  virtual Evaluation summary(const DataMeasure& data) const = 0;

  /// What `backflow predict` writes for outputs [n, ...]: probabilities of classes or labels, values, pictures.
  virtual Tensor predict(const Tensor& output) const = 0;
  /// Whether predict() gives probabilities of classes of which one is right; then the most probable one is the class.
  virtual bool has_classes() const { return false; }
  /// Names for the columns of predict(), one each; may be empty.
  virtual std::vector<std::string> output_names() const { return {}; }

 protected:
  Task() = default;
};

}  // namespace backflow::train
