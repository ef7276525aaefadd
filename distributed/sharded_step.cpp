#include <backflow/distributed/sharded_step.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <unordered_set>
#include <utility>

#include <backflow/distributed/data_parallel.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/elementwise/loops.h>
#include <backflow/ops/kernels/versions.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::distributed {
namespace {

std::vector<Tensor> defined_buffers(const nn::Module& model) {
  std::vector<Tensor> out = model.buffers();
  std::erase_if(out, [](const Tensor& x) { return !x.defined(); });
  return out;
}

/// "A on rank 0, B on rank 3": the first rank and the first that has another text. Empty when all have the same.
std::string difference(const std::vector<std::string>& by_rank) {
  const auto other = std::find_if(by_rank.begin(), by_rank.end(), [&](const auto& text) { return text != by_rank[0]; });
  return other == by_rank.end() ? ""
                                : to_text(by_rank[0], " on rank 0, ", *other, " on rank ", other - by_rank.begin());
}

}  // namespace

ShardedStep::ShardedStep(const nn::Module& model, optim::Optimizer& optimizer,
                         std::shared_ptr<Communicator> communicator, const ShardedStepOptions& options)
    : options_(options),
      limits_(options.clip_grad_norm, options.check_gradients, "sharded step"),
      optimizer_(optimizer),
      communicator_(std::move(communicator)),
      own_(shards_of_rank(options.shards, communicator_->rank(), communicator_->size())),
      sums_(defined_buffers(model), options.shards, communicator_) {
  check(options.micro_batches >= 1, "sharded step: micro_batches ", options.micro_batches, ": need 1 or more");
  check(options.clip_grad_norm >= 0, "sharded step: clip_grad_norm ", options.clip_grad_norm,
        ": need a number >= 0; 0 does not clip");
  check(communicator_->size() == 1 || communicator_->has_thread(),
        "sharded step: a communicator without a thread, which nobody would serve during backward: need "
        "MPI_THREAD_MULTIPLE");
  check_ranks();
  const auto named = model.named_parameters();
  const DataParallel checked(named.values(), communicator_, {.limits = {}, .names = named.keys()});  // and broadcast
  for (const auto& item : named) {
    if (item.value().requires_grad()) {
      parameters_.push_back(item.value());
      names_.push_back(item.key());
    }
  }
  std::vector<std::vector<Tensor>> leaves;
  for (int s = own_.begin; s < own_.end; ++s) {
    states_.emplace_back(parameters_, defined_buffers(model));
    leaves.push_back(states_.back().leaves());
  }
  gradients_ = std::make_unique<ShardedGradients>(parameters_, std::move(leaves), options_.shards, communicator_);
  make_tasks();
}

void ShardedStep::check_ranks() const {
  const std::string shards = difference(communicator_->all_gather(std::to_string(options_.shards)));
  check(shards.empty(), "sharded step: shards: ", shards, ": need one number on all ranks");
  const std::string sets = difference(communicator_->all_gather(
      to_text("oneDNN ", kernels::onednn_isa(), " with Highway ", kernels::instruction_set())));
  check(sets.empty(), "sharded step: instruction sets: ", sets,
        ": need the same on all ranks, since the last bits depend on them; ONEDNN_MAX_CPU_ISA lowers oneDNN's");
}

void ShardedStep::make_tasks() {
  std::unordered_set<const TensorImpl*> ours;
  for (const optim::OptimizerParamGroup& group : optimizer_.param_groups()) {
    for (const Tensor& p : group.params()) {
      ours.insert(&p.impl());
    }
  }
  updated_ = optimizer_.size();
  updates_.clear();
  tasks_.clear();
  std::size_t found = 0;
  std::vector<TaskIndex> sums;
  std::vector<Tensor> leaves;
  for (std::size_t b = 0; b < gradients_->buckets(); ++b) {
    sums.push_back(gradients_->add_tasks(b, b == 0 ? TaskIndex() : sums.back(), tasks_));
    std::vector<Tensor>& updated = updates_.emplace_back(gradients_->parameters(b));
    std::erase_if(updated, [&](const Tensor& p) { return !ours.contains(&p.impl()); });
    found += updated.size();
    const std::vector<Tensor> own = gradients_->leaves(b);
    leaves.insert(leaves.end(), own.begin(), own.end());
  }
  limited_.clear();
  std::copy_if(parameters_.begin(), parameters_.end(), std::back_inserter(limited_),
               [&](const Tensor& p) { return ours.contains(&p.impl()); });
  const auto frozen = static_cast<std::size_t>(
      std::count_if(ours.begin(), ours.end(), [](const TensorImpl* p) { return !p->requires_grad; }));
  check(found + frozen == ours.size(), "sharded step: ", ours.size() - found - frozen, " of ", ours.size(),
        " parameters of the optimizer are not in the model: need all of them there");
  const bool waits = limits_.any();
  const TaskIndex barrier = waits ? add_barrier(std::move(leaves), sums) : TaskIndex();
  for (std::size_t b = 0; b < gradients_->buckets(); ++b) {
    add_update(b, waits ? barrier : sums[b], gradients_->leaves(b));
  }
}

/// The task that waits for all gradients.
TaskIndex ShardedStep::add_barrier(std::vector<Tensor> leaves, std::vector<TaskIndex> sums) {
  std::erase_if(sums, [](TaskIndex t) { return !t.is_valid(); });
  PassTask task{.leaves = std::move(leaves),
                .run =
                    [this] {
                      for (std::size_t b = 0; b < gradients_->buckets(); ++b) {
                        gradients_->publish(b);
                      }
                      prepare_gradients();
                    },
                .after = std::move(sums)};
  limits_.describe(task, parameters_);
  return tasks_.add(std::move(task));
}

/// A task that waits for `after`, or for the leaves if there is none.
void ShardedStep::add_update(std::size_t bucket, TaskIndex after, std::vector<Tensor> leaves) {
  PassTask task{.run = [this, bucket] { update(bucket); },
                .name = to_text("update bucket ", bucket),
                .work = optimizer_.work(updates_[bucket])};
  if (after.is_valid()) {
    task.after = {after};
  } else {
    task.leaves = std::move(leaves);
  }
  tasks_.add(std::move(task));
}

void ShardedStep::update(std::size_t bucket) {
  if (!limits_.any()) {  // else they have been published for all buckets
    gradients_->publish(bucket);
  }
  optimizer_.step_parameters(updates_[bucket]);
  if (!options_.keep_gradients) {
    for (const Tensor& p : updates_[bucket]) {
      p.mutable_grad() = Tensor();
    }
  }
}

/// What happens once all gradients are complete, before any update. They have the same bits on all ranks.
void ShardedStep::prepare_gradients() {
  grad_norm_ = limits_.apply(limited_, [this](const Tensor& p) {
    const auto same = [&p](const Tensor& x) { return &x.impl() == &p.impl(); };
    return names_[static_cast<std::size_t>(std::find_if(parameters_.begin(), parameters_.end(), same) -
                                           parameters_.begin())];
  });
}

double ShardedStep::run(std::int64_t step, std::int64_t global_n, const ShardLoss& loss) {
  check(global_n >= 1, "sharded step: ", global_n, " samples: need 1 or more");
  if (optimizer_.size() != updated_) {
    make_tasks();  // a group has been added
  }
  begin(step);
  gradients_->begin_pass();
  const std::int64_t passes = passes_for(global_n);
  for (std::int64_t part = 0; part < passes; ++part) {
    const std::vector<Tensor> losses = forward(part, global_n, loss);
    const bool is_last = part + 1 == passes;
    const trace::Span span("backward");
    autograd::backward(losses, {},
                       {.tasks = is_last ? std::span<const PassTask>(tasks_) : std::span<const PassTask>()});
  }
  if (passes == 0) {
    run_tasks();
  }
  check_no_stray_gradients();
  return sums_.combine(losses_, states_, global_n);
}

void ShardedStep::begin(std::int64_t step) {
  for (const Tensor& p : parameters_) {
    p.mutable_grad() = Tensor();
  }
  for (int s = own_.begin; s < own_.end; ++s) {
    states_[static_cast<std::size_t>(s - own_.begin)].begin(shard_seed(options_.seed, step, s));
  }
  losses_.assign(states_.size(), 0);
  grad_norm_ = 0;
}

/// The micro-batches of the shard of this rank that has most.
std::int64_t ShardedStep::passes_for(std::int64_t global_n) const {
  std::int64_t most = 0;
  for (int s = own_.begin; s < own_.end; ++s) {
    most = std::max(most, samples_of_shard(global_n, s, options_.shards).n());
  }
  return std::min(most, options_.micro_batches);
}

/// The losses of one part of every shard of this rank that has it.
std::vector<Tensor> ShardedStep::forward(std::int64_t part, std::int64_t global_n, const ShardLoss& loss) {
  const trace::Span span("forward");
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const Shard shard = samples_of_shard(global_n, own_.begin + static_cast<int>(i), options_.shards);
    const Shard samples = part_of_shard(shard, part, options_.micro_batches);
    if (samples.n() > 0) {
      const ShardScope scope(states_[i]);
      out.push_back(loss(samples));
      losses_[i] += out.back().item<double>();
    }
  }
  return out;
}

/// For a rank whose shards have no samples: what backward would do.
void ShardedStep::run_tasks() {
  const NoGradGuard no_grad;
  for (const PassTask& task : tasks_) {
    if (task.run) {
      task.run();
    } else {
      start_and_wait(task.start);
    }
  }
}

/// One that comes after the update, as of a tensor that was computed before run(), is found here.
void ShardedStep::check_no_stray_gradients() const {
  if (options_.keep_gradients) {
    return;
  }
  for (const std::vector<Tensor>& of_bucket : updates_) {
    for (const Tensor& p : of_bucket) {
      check(!p.grad().defined(), "sharded step: parameter ", describe(p),
            " got a gradient that is no shard's: need all that is computed with parameters in the shards' losses");
    }
  }
}

}  // namespace backflow::distributed
