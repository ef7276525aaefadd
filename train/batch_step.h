#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/distributed/sampler.h>
#include <backflow/distributed/training_step.h>
#include <backflow/io/dump.h>
#include <backflow/io/shared_dump.h>
#include <backflow/nn/optim/optimizer.h>
#include <backflow/train/data/data_info.h>
#include <backflow/train/experiment.h>
#include <backflow/train/model/model.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// What every rank knows after a step.
struct StepResult {
  double loss = 0;                                          ///< the mean over the global batch, before the update
  bool stop = false;                                        ///< whether any rank has been asked to stop
  bool dump = false;                                        ///< whether any rank has asked for a dump
  std::vector<std::pair<std::string, double>> others = {};  ///< further losses, as that of a discriminator
};

/// A training step on a global batch: forward, and backward with reduction and update in it. There is one kind for each
/// `distributed.reduction`, and one for a GAN.
class BatchStep {
 public:
  /// The kind that the experiment asks for. Keeps references to experiment, task and model. Collective.
  static std::unique_ptr<BatchStep> make(const Experiment& experiment, const Task& task, const Model& model,
                                         const std::shared_ptr<distributed::Communicator>& world);
  virtual ~BatchStep() = default;
  BatchStep(const BatchStep&) = delete;
  BatchStep& operator=(const BatchStep&) = delete;

  /// Rank and number of ranks for the sampler: this rank's part of a batch, or all of it.
  virtual std::pair<int, int> place() const = 0;
  /// Of a batch that the sampler with `place()` gives, the samples that this rank computes with.
  virtual std::vector<std::int64_t> needed(const distributed::LocalBatch& batch) const { return batch.indices; }
  /// Updates the parameters with the gradient of the mean loss over the global batch, and the model's buffers. Random
  /// numbers depend on seed and `step`, and on the rank or on the shard. `samples` are those of needed(batch).
  /// Collective; throws what any rank throws.
  virtual StepResult run(std::int64_t step, const distributed::LocalBatch& batch, const Batch& samples) = 0;
  /// Whether this rank asks for a dump after the next step. All ranks learn of it in StepResult.
  void ask_for_dump(bool wanted) { wants_dump_ = wanted; }
  /// Of the last step, before clipping, which has to be asked for.
  virtual double grad_norm() const = 0;

  /// One, or the two of a GAN.
  virtual std::vector<optim::Optimizer*> optimizers() = 0;
  /// The state of the optimizers, and of the compression, for a dump, on the first rank. Collective.
  virtual io::NamedTensors optimizer_state() = 0;
  /// The same where each rank keeps what it has of it: for a dump that all ranks write. Collective.
  virtual std::vector<io::TensorShare> optimizer_shares() = 0;
  /// What all ranks have the same after a step: parameters, buffers, and the optimizer's state unless each rank has its
  /// share. Tensors are shared, not copied.
  io::Dump replica();
  /// Gives it back. Throws Error for a state that is not of this optimizer and model.
  virtual void load_state(const io::Dump& dump);

 protected:
  BatchStep(const Experiment& experiment, const Task& task, const Model& model,
            std::shared_ptr<distributed::Communicator> world);

  /// The part of the mean loss over a global batch of `global_n` samples that comes from these.
  Tensor forward(const Batch& batch, std::int64_t global_n) const;
  double dumps_wanted() const { return wants_dump_ ? 1 : 0; }

  const Experiment& experiment_;
  const Task& task_;
  const Model& model_;
  std::shared_ptr<distributed::Communicator> world_;

 private:
  bool wants_dump_ = false;
};

/// Adds what this rank has of the optimizer's state. Collective.
void append_shares(const distributed::TrainingStep& step, const nn::Module& module, std::vector<io::TensorShare>& to);

/// The loss of a batch, summed over its samples: the model's own, or that of the task.
Tensor loss_sum(const Task& task, const Model& model, const Batch& batch);

}  // namespace backflow::train
