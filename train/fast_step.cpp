#include <backflow/train/fast_step.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/buckets/power_sgd.h>
#include <backflow/distributed/shards/shards.h>
#include <backflow/distributed/sync_batch_norm.h>
#include <backflow/runtime/tensor/generator.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/loop/parameter_groups.h>
#include <backflow/train/run/stop_signal.h>

namespace backflow::train {

distributed::DataParallelOptions parallel_options(const Experiment& experiment, std::vector<std::string> names) {
  using distributed::OptimizerState;
  const DistributedOptions& options = experiment.distributed;
  return {.limits = options.limits(),
          .names = std::move(names),
          .compression = options.compression,
          .optimizer_state = options.shard_optimizer ? OptimizerState::Sharded : OptimizerState::Replicated,
          .power_sgd_rank = options.powersgd_rank,
          .power_sgd_seed = static_cast<std::uint64_t>(experiment.seed)};
}

std::vector<Tensor> buffers_to_combine(const Experiment& experiment, const nn::Module& module,
                                       distributed::Communicator& world) {
  if (experiment.distributed.sync_batch_norm) {
    distributed::sync_batch_norm(module, world);
  }
  return distributed::buffers_to_combine(module);
}

FastStep::FastStep(const Experiment& experiment, const Task& task, const Model& model,
                   std::shared_ptr<distributed::Communicator> world)
    : BatchStep(experiment, task, model, std::move(world)),
      optimizer_(make_optimizer(experiment.optimizer, model.module->named_parameters())),
      parallel_(model.module->parameters(), world_,
                parallel_options(experiment, model.module->named_parameters().keys())),
      training_step_(
          parallel_, *optimizer_,
          {.clip_grad_norm = experiment.train.clip_grad_norm, .check_gradients = experiment.train.check_gradients}),
      buffers_(buffers_to_combine(experiment, *model.module, *world_), world_) {}

StepResult FastStep::run(std::int64_t step, const distributed::LocalBatch& batch, const Batch& samples) {
  // A run that goes on from a dump draws what one without a break does.
  manual_seed(distributed::shard_seed(static_cast<std::uint64_t>(experiment_.seed), step, world_->rank()));
  parallel_.zero_grad();
  const double loss = train_on(batch, samples);
  // One reduction carries all: the loss, whether a signal has reached any rank or it is time for a dump, and the
  // statistics of batch norm, in every step, so that their bits don't depend on when there was a dump.
  std::vector<double> shared = {loss, stop_requested() ? 1.0 : 0.0, dumps_wanted()};
  constexpr std::size_t kOwn = 3;
  buffers_.append_to(shared, static_cast<double>(batch.local_n()));
  world_->all_reduce_sum(std::span(shared));
  buffers_.take_from(std::span(shared).subspan(kOwn));
  return {.loss = shared[0], .stop = shared[1] > 0, .dump = shared[2] > 0};
}

/// Returns this rank's part of the loss.
double FastStep::train_on(const distributed::LocalBatch& local, const Batch& samples) {
  const bool sync = experiment_.distributed.sync_batch_norm && world_->size() > 1;
  if (local.indices.empty() && !sync) {
    training_step_.reduce_now();
    return 0;
  }
  const std::int64_t n = local.local_n();
  // Equally often on all ranks: modules count their calls. Ranks that normalize together may have no samples in some.
  const std::int64_t size = world_->size();
  const std::int64_t most =
      sync ? (local.global_n + size - 1) / size : std::max<std::int64_t>(1, local.global_n / size);
  const std::int64_t parts = std::min(experiment_.train.micro_batches, most);
  double total = 0;
  for (std::int64_t part = 0; part < parts; ++part) {
    const Tensor loss = forward(samples.slice(part * n / parts, (part + 1) * n / parts), local.global_n);
    total += loss.item<double>();
    const bool last = part + 1 == parts;
    const trace::Span span("backward");
    training_step_.backward(loss, last ? distributed::GradientSync::Now : distributed::GradientSync::Later);
  }
  return total;
}

io::NamedTensors FastStep::optimizer_state() {
  const auto state = training_step_.optimizer_state(model_.module->named_parameters());
  io::NamedTensors all;
  for (const auto& item : state) {
    all.emplace_back(item.key(), item.value());
  }
  if (distributed::PowerSgd* const compression = parallel_.power_sgd()) {
    for (auto& item : compression->save(parallel_.names(), *world_)) {
      all.push_back(std::move(item));
    }
  }
  return all;
}

std::vector<io::TensorShare> FastStep::optimizer_shares() {
  std::vector<io::TensorShare> all;
  append_shares(training_step_, *model_.module, all);
  if (distributed::PowerSgd* const compression = parallel_.power_sgd()) {
    for (const auto& [name, x] : compression->save(parallel_.names(), *world_)) {  // rank 0 has the sums
      all.push_back({name, {x.sizes().begin(), x.sizes().end()}, 0, x, false});
    }
  }
  return all;
}

void FastStep::load_state(const io::Dump& dump) {
  BatchStep::load_state(dump);
  if (distributed::PowerSgd* const compression = parallel_.power_sgd()) {
    compression->load(dump.optimizer, parallel_.names(), parallel_.parameters(), world_->rank());
  }
}

}  // namespace backflow::train
