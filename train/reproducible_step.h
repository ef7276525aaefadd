#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <backflow/distributed/sharded_step.h>
#include <backflow/train/batch_step.h>

namespace backflow::train {

/// The same bits on any number of ranks that divides the shards; see distributed/sharded_step.h.
class ReproducibleStep final : public BatchStep {
 public:
  ReproducibleStep(const Experiment& experiment, const Task& task, const Model& model,
                   std::shared_ptr<distributed::Communicator> world);

  StepResult run(std::int64_t step, const distributed::LocalBatch& batch, const Batch& samples) override;
  /// The whole batch, which the step cuts into shards.
  std::pair<int, int> place() const override { return {0, 1}; }
  /// The samples of this rank's shards.
  std::vector<std::int64_t> needed(const distributed::LocalBatch& batch) const override;
  double grad_norm() const override { return step_.grad_norm(); }
  std::vector<optim::Optimizer*> optimizers() override { return {optimizer_.get()}; }
  io::NamedTensors optimizer_state() override;
  std::vector<io::TensorShare> optimizer_shares() override;

 private:
  std::int64_t first_sample(std::int64_t global_n) const;

  std::unique_ptr<optim::Optimizer> optimizer_;
  distributed::ShardedStep step_;
};

}  // namespace backflow::train
