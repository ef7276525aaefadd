#include <backflow/train/reproducible_step.h>

#include <array>
#include <span>
#include <utility>

#include <backflow/distributed/shards/shards.h>
#include <backflow/train/loop/parameter_groups.h>
#include <backflow/train/run/resume.h>
#include <backflow/train/run/stop_signal.h>

namespace backflow::train {

ReproducibleStep::ReproducibleStep(const Experiment& experiment, const Task& task, const Model& model,
                                   std::shared_ptr<distributed::Communicator> world)
    : BatchStep(experiment, task, model, std::move(world)),
      optimizer_(make_optimizer(experiment.optimizer, model.module->named_parameters())),
      step_(*model.module, *optimizer_, world_,
            {.shards = static_cast<int>(experiment.distributed.shards),
             .seed = static_cast<std::uint64_t>(experiment.seed),
             .micro_batches = experiment.train.micro_batches,
             .clip_grad_norm = experiment.train.clip_grad_norm,
             .check_gradients = experiment.train.check_gradients}) {}

std::int64_t ReproducibleStep::first_sample(std::int64_t global_n) const {
  const auto shards = static_cast<int>(experiment_.distributed.shards);
  return distributed::samples_of_shard(global_n, step_.shards().begin, shards).begin;
}

std::vector<std::int64_t> ReproducibleStep::needed(const distributed::LocalBatch& batch) const {
  const auto shards = static_cast<int>(experiment_.distributed.shards);
  const std::int64_t end = distributed::samples_of_shard(batch.global_n, step_.shards().end - 1, shards).end;
  return {batch.indices.begin() + first_sample(batch.global_n), batch.indices.begin() + end};
}

StepResult ReproducibleStep::run(std::int64_t step, const distributed::LocalBatch& batch, const Batch& samples) {
  const std::int64_t first = first_sample(batch.global_n);
  const double loss = step_.run(step, batch.global_n, [&](const distributed::Shard& shard) {
    return forward(samples.slice(shard.begin - first, shard.end - first), batch.global_n);
  });
  std::array<double, 2> asked = {stop_requested() ? 1.0 : 0.0, dumps_wanted()};
  world_->all_reduce_sum(std::span(asked));
  return {.loss = loss, .stop = asked[0] > 0, .dump = asked[1] > 0};
}

io::NamedTensors ReproducibleStep::optimizer_state() { return train::optimizer_state(*optimizer_, *model_.module); }

std::vector<io::TensorShare> ReproducibleStep::optimizer_shares() {
  std::vector<io::TensorShare> all;
  for (const auto& [name, x] : optimizer_state()) {
    all.push_back({name, {x.sizes().begin(), x.sizes().end()}, 0, x, true});
  }
  return all;
}

}  // namespace backflow::train
