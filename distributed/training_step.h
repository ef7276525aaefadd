#pragma once

#include <span>
#include <string>
#include <vector>

#include <backflow/distributed/data_parallel.h>
#include <backflow/nn/optim/optimizer.h>
#include <backflow/runtime/engine/pass_task.h>

namespace backflow::distributed {

struct TrainingStepOptions {
  /// When parameters are updated: each as soon as its gradient is complete, or none before all gradients are.
  enum class Updates { DuringBackward, AfterBackward };

  double clip_grad_norm = 0;     ///< the largest norm of all gradients together, see nn::utils::clip_grad_norm_; 0: any
  bool check_gradients = false;  ///< a NaN or infinite element of a gradient is an Error, and nothing is updated
  bool keep_gradients = false;   ///< grad() stays after the update
  Updates updates = Updates::DuringBackward;
};

/// Backward, the reduction over the ranks and the optimizer's update as one graph of work: a parameter is updated as
/// soon as its gradient is complete, on several ranks as soon as its bucket is back, while the rest of backward runs.
///
///   TrainingStep step(parallel, optimizer);
///   for (each step) {
///     step.backward(sum of the local losses / global_n);
///   }
///
/// Parameters and optimizer state are bit for bit what backward, clip_grad_norm_ and optimizer.step() one after the
/// other give. As there, a parameter that took part on no rank is left alone. Its gradient is dropped right after a
/// parameter's update, unless it is to be kept: in a world of one that frees it, in a bucket grad() becomes undefined.
/// What is kept, and gradients of parameters that are not the optimizer's, stay until DataParallel::zero_grad().
///
/// With a largest norm, a check or Updates::AfterBackward one task waits for all gradients, and all updates for it: a
/// failure of backward, or of the check, leaves all parameters as they were. Without them those whose gradient was
/// complete before the failure have been updated, each of them in full; the others have not, and keep what gradients
/// they have. After a failure call DataParallel::zero_grad() before the next step.
///
/// While backward runs, a parameter may be used only by nodes through which its gradient flows: that all nodes do
/// which autograd records, except those that use it detached, or in a hook. For these, Updates::AfterBackward.
///
/// Not thread-safe. `parallel` and `optimizer` must live as long; the optimizer's options may change between steps.
class TrainingStep {
 public:
  /// Updates the parameters of `optimizer`, which have to be among those of `parallel`: else an Error. So is a
  /// `clip_grad_norm` below 0 or undefined. Local.
  TrainingStep(DataParallel& parallel, optim::Optimizer& optimizer, TrainingStepOptions options = {});
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;

  /// Backward of a loss with one element, and the update; collective. With GradientSync::Later gradients are added up
  /// and nothing else happens: for all but the last of several micro-batches. Throws Error for gradients that the check
  /// finds, with the parameter's name, and whatever a node throws.
  void backward(const Tensor& loss, GradientSync sync = GradientSync::Now);
  /// In place of backward for a rank that has no sample in this step, or after the last backward with
  /// GradientSync::Later: reduces what gradients there are, and updates. Collective.
  void reduce_now();

  /// The norm of the last step's gradients before they were clipped; 0 unless there is a largest norm.
  double grad_norm() const { return grad_norm_; }
  /// What a pass runs beside its nodes: the reductions, then what waits for all gradients, if there is, then updates.
  std::span<const PassTask> tasks() const { return tasks_; }

 private:
  void make_tasks();
  bool has_barrier() const;
  TaskIndex add_barrier(std::vector<Tensor> leaves, std::vector<TaskIndex> reductions);
  void add_update(std::vector<Tensor> parameters, TaskIndex after);
  void prepare_gradients();
  void check_finite() const;
  std::string name_of(const Tensor& parameter) const;

  DataParallel& parallel_;
  optim::Optimizer& optimizer_;
  const TrainingStepOptions options_;
  std::vector<Tensor> parameters_;  ///< those that are updated, in the order of `parallel_`
  IndexedVector<TaskIndex, PassTask> tasks_;
  double grad_norm_ = 0;
};

}  // namespace backflow::distributed
