#include <backflow/train/cores/profiled_step.h>

#include <utility>

#include <backflow/distributed/calls/communication_times.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/cores/scaling.h>
#include <backflow/train/data/sample_order.h>
#include <backflow/train/views/communication_view.h>
#include <backflow/train/views/profile.h>

namespace backflow::train {
namespace {

constexpr int kWarmUp = 3;

distributed::LocalBatch first_batch(const Experiment& experiment, const BatchMaker& data, std::pair<int, int> place) {
  auto options =
      sampler_options(data, experiment.data, experiment.train.batch_size, static_cast<std::uint64_t>(experiment.seed));
  options.rank = place.first;
  options.size = place.second;
  return distributed::ShardedSampler(options).batch(0, 0);
}

}  // namespace

ProfiledStep::ProfiledStep(const Experiment& experiment, const Task& task, const Model& model, const BatchMaker& data,
                           std::shared_ptr<distributed::Communicator> world)
    : data_(data),
      world_(std::move(world)),
      step_(BatchStep::make(experiment, task, model, world_)),
      batch_(first_batch(experiment, data, step_->place())),
      prefetch_(prefetch_options(experiment.data, data.info(), experiment.train.batch_size / step_->place().second)) {
  for (optim::Optimizer* const optimizer : step_->optimizers()) {
    for (optim::OptimizerParamGroup& group : optimizer->param_groups()) {
      group.options().set_lr(0);  // a hundred steps on one batch could end in NaN, which some settings refuse
    }
  }
}

BatchRequest ProfiledStep::request() const { return {.indices = step_->needed(batch_), .epoch = 0}; }

Batch ProfiledStep::make_batch() const {
  const trace::Span span("data");
  return data_.make(request().indices);
}

std::string ProfiledStep::profile(std::int64_t steps) {
  Prefetcher batches(
      data_, [this] { return std::optional(request()); }, prefetch_);
  for (int i = 0; i < kWarmUp; ++i) {
    run(batches.next());
  }
  Profile profile;
  distributed::CommunicationTimes communication;
  trace::start();
  for (std::int64_t i = 0; i < steps; ++i) {
    world_->barrier();  // so that no rank seems slow because it looked at its trace
    const std::int64_t start = trace::now();
    reset_peak_memory();
    {
      const trace::Span span("step");
      run(batches.next());
    }
    const std::vector<trace::ThreadEvents> threads = trace::collect(start);
    profile.add_step(threads, memory_stats().peak_bytes);
    communication.add_step(threads);
  }
  trace::stop();
  std::string text = profile.table() + "\n";
  if (world_->size() > 1) {
    const CommunicationView view(communication, *world_);
    text += view.table() + view.summary() + "\n";
  }
  return text;
}

std::string ProfiledStep::on_cores(double bandwidth) {
  Machine machine = measure_machine();
  machine.bandwidth_limit = bandwidth;
  return scaling_report(predict_scaling([this] { run(make_batch()); }, {}, machine));
}

}  // namespace backflow::train
