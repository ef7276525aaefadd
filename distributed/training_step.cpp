#include <backflow/distributed/training_step.h>

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include <backflow/nn/utils/clip_grad.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/reductions/norm.h>
#include <backflow/runtime/engine/autograd.h>

namespace backflow::distributed {
namespace {

using Parameters = std::unordered_set<const TensorImpl*>;

// Updating so many elements takes less than 20 us, which is what the engine makes a group of work of.
constexpr std::int64_t kTiny = 8192;
constexpr double kBytesPerNanosecond = 10;  // of memory, on one core

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

}  // namespace

TrainingStep::TrainingStep(DataParallel& parallel, optim::Optimizer& optimizer, TrainingStepOptions options)
    : parallel_(parallel), optimizer_(optimizer), options_(options) {
  check(options_.clip_grad_norm >= 0, "training step: clip_grad_norm ", options_.clip_grad_norm,
        ": need a number >= 0; 0 does not clip");
  make_tasks();
}

/// When a group has been added, or the buckets have been planned anew.
void TrainingStep::make_tasks_if_needed() {
  if (optimizer_.size() != parameters_.size() || plan_number_ != parallel_.plan_number()) {
    make_tasks();
  }
}

void TrainingStep::make_tasks() {
  plan_number_ = parallel_.plan_number();
  Parameters ours = parameters_of(optimizer_);
  parameters_ = those_in(ours, parallel_.parameters());
  check(parameters_.size() == ours.size(), "training step: ", ours.size() - parameters_.size(), " of ", ours.size(),
        " parameters of the optimizer are not in the data parallel model: need all of them there");
  tasks_.clear();
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

bool TrainingStep::has_barrier() const {
  return options_.clip_grad_norm > 0 || options_.check_gradients ||
         options_.updates == TrainingStepOptions::Updates::AfterBackward;
}

/// The task that waits for all gradients.
TaskIndex TrainingStep::add_barrier(std::vector<Tensor> leaves, std::vector<TaskIndex> reductions) {
  PassTask task{.leaves = std::move(leaves),
                .run = [this] { prepare_gradients(); },
                .after = std::move(reductions),
                .name = "all gradients"};
  int moved = 0;  // how often each gradient is read or written
  if (options_.clip_grad_norm > 0) {
    task.name = "clip_grad_norm";
    moved = 3;
  } else if (options_.check_gradients) {
    task.name = "check gradients";
    moved = 1;
  }
  for (const Tensor& p : parameters_) {
    task.work += static_cast<float>(moved * static_cast<double>(p.nbytes()) / kBytesPerNanosecond);
  }
  return tasks_.add(std::move(task));
}

/// A task that waits for `after`, or for the gradients of the parameters if there is none.
void TrainingStep::add_update(std::vector<Tensor> parameters, TaskIndex after) {
  if (parameters.empty()) {
    return;
  }
  PassTask task{.work = optimizer_.work(parameters)};
  task.name = "update " + name_of(parameters.front());
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
  parallel_.begin_backward(sync);
  make_tasks_if_needed();
  const bool now = sync == GradientSync::Now;
  autograd::backward({loss}, {}, {.tasks = now ? tasks() : std::span<const PassTask>()});
}

void TrainingStep::reduce_now() {
  parallel_.reduce_now();
  make_tasks_if_needed();
  for (const PassTask& task : tasks_) {
    if (task.run) {  // else it is a reduction
      task.run();
    }
  }
}

/// What happens once all gradients are complete, before any update.
void TrainingStep::prepare_gradients() {
  if (options_.clip_grad_norm > 0) {
    try {
      constexpr double kNormType = 2;
      grad_norm_ =
          nn::utils::clip_grad_norm_(parameters_, options_.clip_grad_norm, kNormType, options_.check_gradients);
    } catch (const Error&) {
      check_finite();  // names the parameter
      throw;
    }
  } else if (options_.check_gradients) {
    check_finite();
  }
}

void TrainingStep::check_finite() const {
  for (const Tensor& p : parameters_) {
    if (p.grad().defined()) {
      check(kernels::all_finite(contiguous(p.grad().detach())), "training step: the gradient of ", name_of(p), " ",
            describe(p),
            " has elements that are NaN or infinite: need finite numbers; a smaller learning rate may help");
    }
  }
}

std::string TrainingStep::name_of(const Tensor& parameter) const {
  const std::vector<Tensor>& all = parallel_.parameters();
  const auto at = std::find_if(all.begin(), all.end(), [&](const Tensor& p) { return p.is_same(parameter); });
  const auto index = static_cast<std::size_t>(at - all.begin());
  return parallel_.names().empty() ? to_text("parameter ", index) : parallel_.names()[index];
}

}  // namespace backflow::distributed
