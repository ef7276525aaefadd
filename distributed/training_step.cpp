#include <backflow/distributed/training_step.h>

#include <algorithm>
#include <future>
#include <iterator>
#include <memory>
#include <unordered_set>
#include <utility>

#include <backflow/distributed/calls/memory_work.h>
#include <backflow/nn/utils/clip_grad.h>
#include <backflow/runtime/engine/autograd.h>

namespace backflow::distributed {
namespace {

using Parameters = std::unordered_set<const TensorImpl*>;

// Updating so many elements takes less than 20 us, which is what the engine makes a group of work of.
constexpr std::int64_t kTiny = 8192;

Parameters parameters_of(const optim::Optimizer& optimizer) {
  Parameters set;
  for (const optim::OptimizerParamGroup& group : optimizer.param_groups()) {
    for (const Tensor& p : group.params()) {
      set.insert(&p.impl());
    }
  }
  return set;
}

std::vector<Tensor> those_in(const Parameters& set, const std::vector<Tensor>& tensors) {
  std::vector<Tensor> out;
  std::copy_if(tensors.begin(), tensors.end(), std::back_inserter(out),
               [&](const Tensor& x) { return set.contains(&x.impl()); });
  return out;
}

/// Parameters that are updated together, and the reduction that brings their gradients, if they are in a bucket.
struct UpdatePart {
  std::vector<Tensor> parameters;
  TaskIndex reduction = {};
};

/// The parts of parameters that are in no bucket. A tiny parameter goes with the one before it, as a bias with its
/// weight, whose gradient is complete at about the same time or later. In the order in which backward completes them.
std::vector<UpdatePart> parts_of(const std::vector<Tensor>& parameters) {
  std::vector<UpdatePart> parts;
  std::int64_t tiny = 0;  // elements of tiny parameters in the last part
  for (const Tensor& p : parameters) {
    const bool joins = !parts.empty() && tiny + p.numel() <= kTiny;
    tiny = joins ? tiny + p.numel() : (p.numel() <= kTiny ? p.numel() : 0);
    if (!joins) {
      parts.emplace_back();
    }
    parts.back().parameters.push_back(p);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

/// Runs tasks of a pass without nodes, one after the other, each when those that it waits for have ended. What is done
/// elsewhere goes on meanwhile.
void run_in_turn(std::span<const PassTask> tasks, Communicator& communicator) {
  std::vector<std::shared_future<void>> ends(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    for (const TaskIndex earlier : tasks[i].after) {
      if (ends[earlier.value()].valid()) {
        ends[earlier.value()].get();
      }
    }
    if (tasks[i].run) {
      tasks[i].run();
      continue;
    }
    const auto promise = std::make_shared<std::promise<void>>();
    ends[i] = promise->get_future().share();
    tasks[i].start([promise](std::exception_ptr error) {
      error ? promise->set_exception(std::move(error)) : promise->set_value();
    });
    communicator.progress();
  }
  for (const std::shared_future<void>& end : ends) {
    if (end.valid()) {
      end.get();
    }
  }
}

}  // namespace

TrainingStep::TrainingStep(DataParallel& parallel, optim::Optimizer& optimizer, TrainingStepOptions options)
    : parallel_(parallel),
      optimizer_(optimizer),
      options_(options),
      limits_(options.clip_grad_norm, options.check_gradients, "training step") {
  if (parallel_.is_sharded()) {
    check(!options_.keep_gradients,
          "training step: keep_gradients with a sharded optimizer: need it off, since no rank has all of a gradient");
    shards_ = std::make_unique<OptimizerShards>(parallel_, optimizer_);
  }
  make_tasks();
}

/// When a group has been added, or the buckets have been planned anew.
void TrainingStep::make_tasks_if_needed() {
  if (optimizer_.size() != parameters_.size() || plan_number_ != parallel_.plan_number()) {
    make_tasks();
  }
  if (shards_) {
    shards_->align();
  }
}

void TrainingStep::make_tasks() {
  plan_number_ = parallel_.plan_number();
  Parameters ours = parameters_of(optimizer_);
  parameters_ = those_in(ours, parallel_.parameters());
  check(parameters_.size() == ours.size(), "training step: ", ours.size() - parameters_.size(), " of ", ours.size(),
        " parameters of the optimizer are not in the data parallel model: need all of them there");
  tasks_.clear();
  if (shards_) {
    make_sharded_tasks();
    return;
  }
  std::vector<TaskIndex> reductions;
  std::vector<UpdatePart> parts;
  for (const BucketIndex b : parallel_.buckets().indices()) {
    reductions.push_back(tasks_.add(parallel_.reduction(b)));
    parts.push_back({those_in(ours, parallel_.buckets()[b].parameters()), reductions.back()});
    for (const Tensor& p : parts.back().parameters) {
      ours.erase(&p.impl());
    }
  }
  // In a world of one, all; else those that required no gradient when the buckets were made.
  const std::vector<Tensor> elsewhere = those_in(ours, parameters_);
  std::vector<UpdatePart> rest = parts_of(elsewhere);
  std::move(rest.begin(), rest.end(), std::back_inserter(parts));
  const TaskIndex barrier = has_barrier() ? add_barrier(elsewhere, std::move(reductions)) : TaskIndex();
  for (UpdatePart& part : parts) {
    add_update(std::move(part.parameters), barrier.is_valid() ? barrier : part.reduction);
  }
}

/// The reductions, the updates of this rank's shares, and the exchange of what was updated. All reductions are sent
/// before the first gather: the order of the calls must not depend on how fast a rank's updates are.
void TrainingStep::make_sharded_tasks() {
  std::vector<TaskIndex> reductions;
  for (const BucketIndex b : parallel_.buckets().indices()) {
    reductions.push_back(tasks_.add(parallel_.reduction(b)));
  }
  const TaskIndex barrier = has_barrier() ? add_barrier({}, reductions) : TaskIndex();
  std::vector<TaskIndex> updates;
  const Parameters ours = parameters_of(optimizer_);
  for (const Bucket& bucket : parallel_.buckets()) {
    for (const Tensor& p : bucket.parameters()) {
      check(ours.contains(&p.impl()), "training step: ", parallel_.name_of(p), " ", describe(p),
            " is not the optimizer's: need all parameters there when its state is sharded");
    }
  }
  for (const BucketIndex b : parallel_.buckets().indices()) {
    const float work = optimizer_.work(parallel_.buckets()[b].parameters());
    const std::string first = parallel_.name_of(parallel_.buckets()[b].parameters().front());
    PassTask update{.run = [this, b] { shards_->update(b); },
                    .after = {barrier.is_valid() ? barrier : reductions[b.value()]},
                    .name = to_text("update the share of bucket ", b.value(), ", from ", first, " on"),
                    .work = work / static_cast<float>(parallel_.communicator()->size())};
    updates.push_back(tasks_.add(std::move(update)));
  }
  for (const BucketIndex b : parallel_.buckets().indices()) {
    PassTask gather = parallel_.gather(b);
    gather.after.assign(updates.begin(), updates.begin() + b.value() + 1);
    gather.after.push_back(reductions.back());
    const TaskIndex gathered = tasks_.add(std::move(gather));
    tasks_.push_back({.run = [this, b] { shards_->take(b); },
                      .after = {gathered},
                      .name = to_text("take bucket ", b.value()),
                      .work = memory_work(2 * static_cast<double>(parallel_.buckets()[b].flat().nbytes()))});
  }
}

bool TrainingStep::has_barrier() const {
  return limits_.any() || options_.updates == TrainingStepOptions::Updates::AfterBackward;
}

/// The task that waits for all gradients.
TaskIndex TrainingStep::add_barrier(std::vector<Tensor> leaves, std::vector<TaskIndex> reductions) {
  PassTask task{.leaves = std::move(leaves), .run = [this] { prepare_gradients(); }, .after = std::move(reductions)};
  limits_.describe(task, parameters_);
  return tasks_.add(std::move(task));
}

/// A task that waits for `after`, or for the gradients of the parameters if there is none.
void TrainingStep::add_update(std::vector<Tensor> parameters, TaskIndex after) {
  if (parameters.empty()) {
    return;
  }
  PassTask task{.work = optimizer_.work(parameters)};
  task.name = "update " + parallel_.name_of(parameters.front());
  if (parameters.size() > 1) {
    task.name += to_text(" and ", parameters.size() - 1, " more");
  }
  if (after.is_valid()) {
    task.after = {after};
  } else {
    task.leaves = parameters;
  }
  task.run = [this, parameters = std::move(parameters)] {
    optimizer_.step_parameters(parameters);
    if (!options_.keep_gradients) {
      for (const Tensor& p : parameters) {
        p.mutable_grad() = Tensor();
      }
    }
  };
  tasks_.push_back(std::move(task));
}

void TrainingStep::backward(const Tensor& loss, GradientSync sync) {
  if (sync == GradientSync::Now && !parallel_.communicator()->has_thread()) {
    backward(loss, GradientSync::Later);
    reduce_now();
    return;
  }
  parallel_.begin_backward(sync);
  make_tasks_if_needed();
  const bool now = sync == GradientSync::Now;
  autograd::backward({loss}, {}, {.tasks = now ? tasks() : std::span<const PassTask>()});
}

void TrainingStep::reduce_now() {
  parallel_.begin_backward();
  make_tasks_if_needed();
  run_in_turn(tasks(), *parallel_.communicator());
}

optim::Optimizer::NamedTensors TrainingStep::optimizer_state(const optim::Optimizer::NamedTensors& names) const {
  return shards_ ? shards_->gather_state(names) : optimizer_.state(names);
}

std::vector<OptimizerStateShare> TrainingStep::optimizer_shares(const optim::Optimizer::NamedTensors& names) const {
  if (shards_) {
    return shards_->own_state(names);
  }
  std::vector<OptimizerStateShare> all;
  for (const auto& item : optimizer_.state(names)) {
    const Tensor& x = item.value();
    all.push_back({item.key(), {x.sizes().begin(), x.sizes().end()}, 0, x, true});
  }
  return all;
}

/// What happens once all gradients are complete, before any update.
void TrainingStep::prepare_gradients() {
  if (shards_) {
    prepare_shares();
  } else {
    grad_norm_ = limits_.apply(parameters_, [this](const Tensor& p) { return parallel_.name_of(p); });
  }
}

/// The same with gradients of which each rank has its share.
void TrainingStep::prepare_shares() {
  if (limits_.checks()) {
    shards_->check_finite();
  }
  if (limits_.clips()) {
    grad_norm_ = shards_->norm();
    nn::utils::scale_to_norm(shards_->gradients(), limits_.clip_grad_norm(), grad_norm_);
  }
}

}  // namespace backflow::distributed
