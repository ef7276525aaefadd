#include <backflow/train/reproducible_step.h>

#include <array>
#include <span>
#include <utility>

#include <backflow/train/run/stop_signal.h>

namespace backflow::train {

ReproducibleStep::ReproducibleStep(const Experiment& experiment, const Model& model, const BatchMaker& data,
                                   std::shared_ptr<distributed::Communicator> world)
    : BatchStep(experiment, model, data, std::move(world)),
      step_(*model.module, *optimizer_, world_,
            {.shards = static_cast<int>(experiment.distributed.shards),
             .seed = static_cast<std::uint64_t>(experiment.seed),
             .micro_batches = experiment.train.micro_batches,
             .clip_grad_norm = experiment.train.clip_grad_norm,
             .check_gradients = experiment.train.check_gradients}) {}

StepResult ReproducibleStep::run(std::int64_t step, const distributed::LocalBatch& batch) {
  const double loss = step_.run(step, batch.global_n, [&](const distributed::Shard& shard) {
    const auto first = batch.indices.begin();
    return forward(make_batch({first + shard.begin, first + shard.end}, batch.epoch), batch.global_n);
  });
  std::array<double, 1> stops = {stop_requested() ? 1.0 : 0.0};
  world_->all_reduce_sum(std::span(stops));
  return {.loss = loss, .stop = stops[0] > 0};
}

}  // namespace backflow::train
