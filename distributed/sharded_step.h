#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <backflow/distributed/buckets/gradient_limits.h>
#include <backflow/distributed/communicator.h>
#include <backflow/distributed/shards/shard_scope.h>
#include <backflow/distributed/shards/shard_sums.h>
#include <backflow/distributed/shards/sharded_gradients.h>
#include <backflow/distributed/shards/shards.h>
#include <backflow/nn/module.h>
#include <backflow/nn/optim/optimizer.h>
#include <backflow/runtime/engine/pass_task.h>

namespace backflow::distributed {

struct ShardedStepOptions {
  int shards = 1;                  ///< the number of ranks has to divide it
  std::uint64_t seed = 0;          ///< of what the model draws
  std::int64_t micro_batches = 1;  ///< parts of a shard that go through forward and backward one after the other
  double clip_grad_norm = 0;       ///< as in TrainingStepOptions, and so below
  bool check_gradients = false;
  bool keep_gradients = false;
};

/// A training step with the same bits on any number of ranks that divides `shards`, on any number of threads, and on
/// any engine: losses, gradients, parameters, optimizer state, and running statistics.
///
///   ShardedStep step(*model, optimizer, Communicator::world(), {.shards = 8, .seed = 1});
///   for (std::int64_t t = 0; t < steps; ++t) {
///     const double loss = step.run(t, batch.size(0), [&](const Shard& shard) {
///       const Tensor x = batch.slice(0, shard.begin, shard.end), target = targets.slice(0, shard.begin, shard.end);
///       return cross_entropy_loss(model->forward(x), target, {}, Reduction::Sum) / shard.global_n;
///     });
///   }
///
/// The global batch is cut into shards, of which each rank has its part. Each shard is computed alone, with gradients,
/// buffers and random numbers of its own (ShardScope); backward takes the shards of a rank as parallel branches of one
/// graph. Gradients and losses are added in a fixed tree over the shards (shards.h), buffers by a fixed rule
/// (ShardSums). Batch norm normalizes with the statistics of a shard. What the default generator draws depends on seed,
/// step, shard and number of draws before it in the shard. A Generator that the model holds is not divided: give it
/// none.
///
/// The ranks must have the same instruction sets, since kernels differ in their bits otherwise.
///
/// An update starts when the gradient of its parameter is summed, while the rest of backward runs. Failures are as in
/// TrainingStep. Not thread-safe.
class ShardedStep {
 public:
  /// The part of the loss of the global batch that comes from these samples: one element. It is called once for each
  /// part of a shard, in their order, never for none. All that depends on parameters has to be computed in it.
  using ShardLoss = std::function<Tensor(const Shard&)>;

  /// Takes the values of the parameters from rank 0. Throws Error on every rank when the ranks do not divide the
  /// shards, when they have other shards, models or instruction sets, and for a parameter of the optimizer that is not
  /// the model's. Keeps references to `model` and `optimizer`. Collective.
  ShardedStep(const nn::Module& model, optim::Optimizer& optimizer, std::shared_ptr<Communicator> communicator,
              const ShardedStepOptions& options);
  ShardedStep(const ShardedStep&) = delete;
  ShardedStep& operator=(const ShardedStep&) = delete;

  /// Forward, backward, reduction and update for a global batch of `global_n` samples, 1 or more; returns its loss.
  /// `step` chooses the random numbers. Earlier gradients are dropped. Collective.
  double run(std::int64_t step, std::int64_t global_n, const ShardLoss& loss);

  /// The norm of the last step's gradients before they were clipped; 0 unless there is a largest norm.
  double grad_norm() const { return grad_norm_; }
  /// This rank's.
  ShardRange shards() const { return own_; }

 private:
  void check_ranks() const;
  void make_tasks();
  TaskIndex add_barrier(std::vector<Tensor> leaves, std::vector<TaskIndex> sums);
  void add_update(std::size_t bucket, TaskIndex after, std::vector<Tensor> leaves);
  void update(std::size_t bucket);
  void prepare_gradients();

  void begin(std::int64_t step);
  std::int64_t passes_for(std::int64_t global_n) const;
  std::vector<Tensor> forward(std::int64_t part, std::int64_t global_n, const ShardLoss& loss);
  void run_tasks();
  void check_no_stray_gradients() const;

  const ShardedStepOptions options_;
  const GradientLimits limits_;
  optim::Optimizer& optimizer_;
  std::shared_ptr<Communicator> communicator_;
  ShardRange own_;
  std::vector<Tensor> parameters_;  ///< those that require a gradient
  std::vector<std::string> names_;
  std::vector<ShardState> states_;  ///< of this rank's shards
  std::vector<double> losses_;
  ShardSums sums_;
  std::unique_ptr<ShardedGradients> gradients_;
  std::size_t updated_ = 0;                   ///< parameters of the optimizer when the tasks were made
  std::vector<std::vector<Tensor>> updates_;  ///< by bucket: the optimizer's parameters
  std::vector<Tensor> limited_;  ///< the same in the model's order, whatever the buckets: for a norm's bits
  IndexedVector<TaskIndex, PassTask> tasks_;
  double grad_norm_ = 0;
};

}  // namespace backflow::distributed
