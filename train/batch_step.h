#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <backflow/distributed/data_parallel.h>
#include <backflow/distributed/sampler.h>
#include <backflow/distributed/training_step.h>
#include <backflow/io/dump.h>
#include <backflow/nn/optim/optimizer.h>
#include <backflow/train/data.h>
#include <backflow/train/experiment.h>
#include <backflow/train/model/model.h>

namespace backflow::train {

/// A training step on one rank's part of a batch: samples, forward, and backward with reduction and update in it.
class BatchStep {
 public:
  /// Collective. Keeps references to experiment, model and data.
  BatchStep(const Experiment& experiment, const Model& model, const BatchMaker& data,
            std::shared_ptr<distributed::Communicator> world);

  /// Updates the parameters with the gradient of the mean loss over the global batch; returns this rank's part of that
  /// loss. Random numbers depend on seed, `step` and rank alone. Collective; throws what any rank throws.
  double run(std::int64_t step, const distributed::LocalBatch& local);

  optim::Optimizer& optimizer() { return *optimizer_; }
  /// The state of the optimizer and of the compression for a dump, on the first rank. Collective.
  io::NamedTensors optimizer_state();
  /// Gives it back. Throws Error for a state that is not of this optimizer and model.
  void load_state(const io::Dump& dump);
  /// Of the last step, before clipping, which has to be asked for.
  double grad_norm() const { return training_step_.grad_norm(); }

 private:
  void seed(std::int64_t step) const;
  Batch make_batch(const std::vector<std::int64_t>& indices) const;
  Tensor forward(const Batch& batch, std::int64_t global_n) const;

  const Experiment& experiment_;
  const Model& model_;
  const BatchMaker& data_;
  std::shared_ptr<distributed::Communicator> world_;
  distributed::DataParallel parallel_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  distributed::TrainingStep training_step_;
};

}  // namespace backflow::train
