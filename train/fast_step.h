#pragma once

#include <cstdint>
#include <memory>
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
  FastStep(const Experiment& experiment, const Model& model, const BatchMaker& data,
           std::shared_ptr<distributed::Communicator> world);

  StepResult run(std::int64_t step, const distributed::LocalBatch& batch) override;
  std::pair<int, int> place() const override { return {world_->rank(), world_->size()}; }
  double grad_norm() const override { return training_step_.grad_norm(); }
  io::NamedTensors optimizer_state() override;
  void load_state(const io::Dump& dump) override;

 private:
  std::vector<Tensor> buffers_after_sync() const;
  double train_on(const distributed::LocalBatch& local);

  distributed::DataParallel parallel_;
  distributed::TrainingStep training_step_;
  distributed::BufferCombiner buffers_;
};

}  // namespace backflow::train
