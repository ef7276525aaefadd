#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/buffer_combiner.h>
#include <backflow/distributed/data_parallel.h>
#include <backflow/distributed/training_step.h>
#include <backflow/train/batch_step.h>

namespace backflow::train {

/// Each rank computes with its part of the batch as a whole. Results depend on the number of ranks in their last bits,
/// and where dropout or batch norm see the parts.
class FastStep final : public BatchStep {
 public:
  FastStep(const Experiment& experiment, const Task& task, const Model& model,
           std::shared_ptr<distributed::Communicator> world);

  StepResult run(std::int64_t step, const distributed::LocalBatch& batch, const Batch& samples) override;
  std::pair<int, int> place() const override { return {world_->rank(), world_->size()}; }
  double grad_norm() const override { return training_step_.grad_norm(); }
  std::vector<optim::Optimizer*> optimizers() override { return {optimizer_.get()}; }
  io::NamedTensors optimizer_state() override;
  std::vector<io::TensorShare> optimizer_shares() override;
  void load_state(const io::Dump& dump) override;

 private:
  double train_on(const distributed::LocalBatch& local, const Batch& samples);

  std::unique_ptr<optim::Optimizer> optimizer_;
  distributed::DataParallel parallel_;
  distributed::TrainingStep training_step_;
  distributed::BufferCombiner buffers_;
};

/// The options of the gradients' sums for parameters of these names.
distributed::DataParallelOptions parallel_options(const Experiment& experiment, std::vector<std::string> names);

/// The buffers that each rank changes in its own way, after batch norm has been made one for all ranks if it is to be.
std::vector<Tensor> buffers_to_combine(const Experiment& experiment, const nn::Module& module,
                                       distributed::Communicator& world);

}  // namespace backflow::train
