#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <backflow/distributed/sharded_step.h>
#include <backflow/train/batch_step.h>

namespace backflow::train {

/// The same bits on any number of ranks that divides the shards; see distributed/sharded_step.h.
class ReproducibleStep final : public BatchStep {
 public:
  ReproducibleStep(const Experiment& experiment, const Model& model, const BatchMaker& data,
                   std::shared_ptr<distributed::Communicator> world);

  StepResult run(std::int64_t step, const distributed::LocalBatch& batch) override;
  /// The whole batch, which the step cuts into shards.
  std::pair<int, int> place() const override { return {0, 1}; }
  double grad_norm() const override { return step_.grad_norm(); }

 private:
  distributed::ShardedStep step_;
};

}  // namespace backflow::train
