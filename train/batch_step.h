#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/distributed/sampler.h>
#include <backflow/io/dump.h>
#include <backflow/nn/optim/optimizer.h>
#include <backflow/train/data/batch_maker.h>
#include <backflow/train/experiment.h>
#include <backflow/train/model/model.h>

namespace backflow::train {

/// What every rank knows after a step.
struct StepResult {
  double loss = 0;    ///< the mean over the global batch, before the update
  bool stop = false;  ///< whether any rank has been asked to stop
};

/// A training step on a global batch: samples, forward, and backward with reduction and update in it. There is one kind
/// for each `distributed.reduction`.
class BatchStep {
 public:
  /// The kind that the experiment asks for. Keeps references to experiment, model and data. Collective.
  static std::unique_ptr<BatchStep> make(const Experiment& experiment, const Model& model, const BatchMaker& data,
                                         const std::shared_ptr<distributed::Communicator>& world);
  virtual ~BatchStep() = default;
  BatchStep(const BatchStep&) = delete;
  BatchStep& operator=(const BatchStep&) = delete;

  /// Updates the parameters with the gradient of the mean loss over the global batch, and the model's buffers. Random
  /// numbers depend on seed and `step`, and on the rank or on the shard. `batch` is what the sampler with `place()`
  /// gives. Collective; throws what any rank throws.
  virtual StepResult run(std::int64_t step, const distributed::LocalBatch& batch) = 0;
  /// Rank and number of ranks for the sampler: this rank's part of a batch, or all of it.
  virtual std::pair<int, int> place() const = 0;
  /// Of the last step, before clipping, which has to be asked for.
  virtual double grad_norm() const = 0;

  optim::Optimizer& optimizer() { return *optimizer_; }
  /// The state of the optimizer, and of the compression, for a dump, on the first rank. Collective.
  virtual io::NamedTensors optimizer_state();
  /// What all ranks have the same after a step: parameters, buffers, and the optimizer's state unless each rank has its
  /// share. Tensors are shared, not copied.
  io::Dump replica() const;
  /// Gives it back. Throws Error for a state that is not of this optimizer and model.
  virtual void load_state(const io::Dump& dump);

 protected:
  BatchStep(const Experiment& experiment, const Model& model, const BatchMaker& data,
            std::shared_ptr<distributed::Communicator> world);

  Batch make_batch(const std::vector<std::int64_t>& indices, std::int64_t epoch) const;
  /// The part of the mean loss over a global batch of `global_n` samples that comes from these.
  Tensor forward(const Batch& batch, std::int64_t global_n) const;

  const Experiment& experiment_;
  const Model& model_;
  const BatchMaker& data_;
  std::shared_ptr<distributed::Communicator> world_;
  std::unique_ptr<optim::Optimizer> optimizer_;
};

}  // namespace backflow::train
