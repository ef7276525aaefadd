#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <backflow/distributed/buckets/gradient_limits.h>
#include <backflow/distributed/data_parallel.h>
#include <backflow/distributed/optimizer_shards.h>
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

/// Backward, the reduction over the ranks and the optimizer's update as one graph of work. A parameter is updated when
/// its gradient is complete, on several ranks when its bucket is reduced, while the rest of backward runs.
///
///   TrainingStep step(parallel, optimizer);
///   for (each step) {
///     step.backward(sum of the local losses / global_n);
///   }
///
/// Parameters and optimizer state are bit for bit those of backward, clip_grad_norm_ and optimizer.step() one after the
/// other. As there, a parameter that no rank used stays as it is. A gradient is dropped right after the update of its
/// parameter, unless keep_gradients is set: grad() becomes undefined, and in a world of one its memory is freed. Kept
/// gradients, and those of parameters that are not the optimizer's, stay until DataParallel::zero_grad().
///
/// With clip_grad_norm, check_gradients or Updates::AfterBackward, one task waits for all gradients, and all updates
/// wait for it. Then a failure of backward, or of the check, leaves all parameters unchanged. Otherwise a failure
/// leaves the parameters updated whose gradients were complete before it, each of them in full. The others are
/// unchanged and keep their gradients. After a failure call DataParallel::zero_grad() before the next step.
///
/// With OptimizerState::Sharded each rank updates its share of every bucket as soon as its sums are there, and then
/// sends it to all. The state of the optimizer is that of the share alone. Parameters are bit for bit those of one
/// without shares if the communicator adds in the order of the ranks in both cases; clip_grad_norm may differ in the
/// last bits of the norm. All optimizers are served, since each updates an element without regard to others. All
/// parameters in the buckets must be the optimizer's. keep_gradients is refused.
///
/// A parameter may change while backward runs. Nodes that its gradient flows through are safe: the update waits for
/// them. A node or a hook that reads the parameter without sending it a gradient, as one that uses parameter.detach(),
/// is not waited for. With such uses set Updates::AfterBackward.
///
/// Not thread-safe. `parallel` and `optimizer` must outlive this object. The optimizer's options may change between
/// steps.
class TrainingStep {
 public:
  /// Updates the parameters of `optimizer`. Throws Error when one of them is not among those of `parallel`, and for a
  /// `clip_grad_norm` that is negative or NaN. Not collective.
  TrainingStep(DataParallel& parallel, optim::Optimizer& optimizer, TrainingStepOptions options = {});
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;

  /// Backward of a loss with one element, reduction and update. Collective. With GradientSync::Later it only
  /// accumulates gradients: for all but the last of several micro-batches. Throws Error for a gradient that
  /// check_gradients rejects, with the parameter's name, and whatever a node throws.
  void backward(const Tensor& loss, GradientSync sync = GradientSync::Now);
  /// Reduces the present gradients, and updates. For a rank that has no sample in this step, instead of backward; or
  /// after the last backward with GradientSync::Later. Collective.
  void reduce_now();

  /// The optimizer's state for a checkpoint, of whole parameters: Optimizer::state(names). When it is sharded it is
  /// collected on the first rank, is empty on the others, and the call is collective.
  optim::Optimizer::NamedTensors optimizer_state(const optim::Optimizer::NamedTensors& names) const;
  /// The same without collecting: what this rank has of each tensor, in the same order. Collective when the state is
  /// sharded.
  std::vector<OptimizerStateShare> optimizer_shares(const optim::Optimizer::NamedTensors& names) const;

  /// The norm of the last step's gradients before they were clipped; 0 unless there is a largest norm.
  double grad_norm() const { return grad_norm_; }
  /// The tasks of the last pass: the reductions, then the task that waits for all gradients, if there is one, then the
  /// updates.
  std::span<const PassTask> tasks() const { return tasks_; }

 private:
  void make_tasks_if_needed();
  void make_tasks();
  void make_sharded_tasks();
  bool has_barrier() const;
  TaskIndex add_barrier(std::vector<Tensor> leaves, std::vector<TaskIndex> reductions);
  void add_update(std::vector<Tensor> parameters, TaskIndex after);
  void prepare_gradients();
  void prepare_shares();

  DataParallel& parallel_;
  optim::Optimizer& optimizer_;
  const TrainingStepOptions options_;
  const GradientLimits limits_;
  std::unique_ptr<OptimizerShards> shards_;  ///< null unless the optimizer's state is sharded
  std::vector<Tensor> parameters_;           ///< those that are updated, in the order of `parallel_`
  IndexedVector<TaskIndex, PassTask> tasks_;
  std::int64_t plan_number_ = 0;  ///< of the buckets that the tasks are for
  double grad_norm_ = 0;
};

}  // namespace backflow::distributed
