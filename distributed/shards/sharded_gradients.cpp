#include <backflow/distributed/shards/sharded_gradients.h>

#include <algorithm>
#include <utility>

#include <backflow/distributed/calls/memory_work.h>
#include <backflow/distributed/calls/reduction_tag.h>
#include <backflow/distributed/shards/tree_reduction.h>
#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/runtime/tensor/gradient_ops.h>

namespace backflow::distributed {
namespace {

/// On one rank nothing is sent: small buckets, so that updates start early and gradients go soon.
constexpr BucketLimits kLocalLimits = {std::size_t{1} << 18, std::size_t{1} << 20};

void fill_elements(const Tensor& x, double value) {
  dispatch_floating(x.scalar_type(), "shards", [&](auto zero) {
    std::fill_n(x.mutable_data_ptr<decltype(zero)>(), x.numel(), static_cast<decltype(zero)>(value));
  });
}

/// Moves a gradient to `leaf`: into its place in the bucket, if it has one.
void set_grad(const Tensor& leaf, Tensor grad) {
  const Tensor& place = leaf.impl().meta().grad_buffer;
  if (place.defined()) {
    gradient_ops().copy_(place, grad);
    grad = place;
  }
  leaf.mutable_grad() = std::move(grad);
}

}  // namespace

ShardedGradients::ShardedGradients(std::vector<Tensor> parameters, std::vector<std::vector<Tensor>> leaves, int shards,
                                   std::shared_ptr<Communicator> communicator)
    : parameters_(std::move(parameters)),
      leaves_(std::move(leaves)),
      shards_(shards),
      communicator_(std::move(communicator)),
      own_(shards_of_rank(shards, communicator_->rank(), communicator_->size())),
      subtrees_(subtrees_in(shards, own_)) {
  const BucketLimits limits = communicator_->size() == 1 ? kLocalLimits : BucketLimits{};
  for (BucketPlan& plan : plan_buckets(parameters_, limits)) {
    buckets_.push_back(make_entry(std::move(plan)));
  }
}

/// On several ranks, the gradient of a subtree is collected in the leaf of its first shard, right where it is sent
/// from.
ShardedGradients::Entry ShardedGradients::make_entry(BucketPlan plan) {
  Entry entry{std::move(plan), {}, {}, {}};
  if (communicator_->size() == 1) {
    return entry;
  }
  const std::int64_t n = entry.plan.numel;
  entry.nodes = empty_tensor({std::ssize(subtrees_), n}, entry.plan.dtype);
  entry.sum = view_of(entry.nodes, {n}, {1}, 0);
  fill_elements(entry.nodes, 0);  // the gaps between gradients too
  for (std::size_t k = 0; k < subtrees_.size(); ++k) {
    std::vector<Tensor>& views = entry.views.emplace_back();
    for (const BucketSlot& slot : entry.plan.slots) {
      const Tensor& p = parameters_[slot.parameter];
      views.push_back(view_of(entry.nodes, p.sizes(), contiguous_strides(p.sizes()),
                              static_cast<std::int64_t>(k) * n + slot.offset));
      leaf(subtrees_[k].begin, slot).impl().meta().grad_buffer = views.back();
    }
  }
  return entry;
}

const Tensor& ShardedGradients::leaf(int shard, const BucketSlot& slot) const {
  return leaves_[static_cast<std::size_t>(shard - own_.begin)][slot.parameter];
}

std::vector<Tensor> ShardedGradients::parameters(std::size_t bucket) const {
  std::vector<Tensor> out;
  for (const BucketSlot& slot : buckets_[bucket].plan.slots) {
    out.push_back(parameters_[slot.parameter]);
  }
  return out;
}

std::vector<Tensor> ShardedGradients::leaves(std::size_t bucket) const {
  std::vector<Tensor> out;
  for (int s = own_.begin; s < own_.end; ++s) {
    for (const BucketSlot& slot : buckets_[bucket].plan.slots) {
      out.push_back(leaf(s, slot));
    }
  }
  return out;
}

TaskIndex ShardedGradients::add_tasks(std::size_t bucket, TaskIndex before, IndexedVector<TaskIndex, PassTask>& tasks) {
  PassTask sum{.start = [this, bucket](Completion done) { start(bucket, std::move(done)); },
               .name = to_text("tree_sum bucket ", bucket)};
  for (const ShardRange& tree : subtrees_) {
    if (const TaskIndex node = add_node(bucket, tree, tasks, sum.leaves); node.is_valid()) {
      sum.after.push_back(node);
    }
  }
  if (communicator_->size() == 1) {
    return sum.after.empty() ? TaskIndex() : sum.after.front();
  }
  if (before.is_valid()) {
    sum.after.push_back(before);
  }
  return tasks.add(std::move(sum));
}

/// The task that completes a subtree; for a single shard none, and whoever needs it has to wait for its leaves.
TaskIndex ShardedGradients::add_node(std::size_t bucket, ShardRange tree, IndexedVector<TaskIndex, PassTask>& tasks,
                                     std::vector<Tensor>& waits) {
  const BucketPlan& plan = buckets_[bucket].plan;
  if (tree.size() == 1) {
    for (const BucketSlot& slot : plan.slots) {
      waits.push_back(leaf(tree.begin, slot));
    }
    return {};
  }
  const int cut = tree_cut(tree);
  const ShardRange left{tree.begin, cut};
  const ShardRange right{cut, tree.end};
  PassTask task{.name = to_text("add shards ", tree.begin, "-", tree.end - 1, ", bucket ", bucket)};
  for (const ShardRange& part : {left, right}) {
    if (const TaskIndex node = add_node(bucket, part, tasks, task.leaves); node.is_valid()) {
      task.after.push_back(node);
    }
  }
  task.run = [this, bucket, left, right] { add(buckets_[bucket].plan, left, right); };
  task.work = memory_work(3 * static_cast<double>(plan.numel) * static_cast<double>(element_size(plan.dtype)));
  return tasks.add(std::move(task));
}

/// Adds the gradients of `right` to those of `left`. A shard that has none leaves the other's as it is.
void ShardedGradients::add(const BucketPlan& plan, ShardRange left, ShardRange right) const {
  for (const BucketSlot& slot : plan.slots) {
    Tensor theirs = std::exchange(leaf(right.begin, slot).mutable_grad(), Tensor());
    const Tensor& to = leaf(left.begin, slot);
    if (!theirs.defined()) {
      continue;
    }
    if (to.grad().defined()) {
      gradient_ops().add_(to.grad(), theirs);
    } else {
      set_grad(to, std::move(theirs));
    }
  }
}

/// Says of every gradient whether there is one. Where there is none, elements that change no sum.
void ShardedGradients::fill(const Entry& entry) const {
  dispatch_floating(entry.plan.dtype, "shards", [&](auto zero) {
    auto* rows = entry.nodes.mutable_data_ptr<decltype(zero)>();
    for (std::size_t k = 0; k < subtrees_.size(); ++k) {
      for (std::size_t i = 0; i < entry.plan.slots.size(); ++i) {
        const Tensor& from = leaf(subtrees_[k].begin, entry.plan.slots[i]);
        const bool has = from.grad().defined();
        if (!has) {
          fill_elements(entry.views[k][i], kAbsent);
        } else if (!from.grad().is_same(entry.views[k][i])) {
          gradient_ops().copy_(entry.views[k][i], from.grad());
        }
        rows[static_cast<std::int64_t>(k) * entry.plan.numel + entry.plan.count_offset(i)] = has ? 1 : 0;
        from.mutable_grad() = Tensor();
      }
    }
  });
}

void ShardedGradients::start(std::size_t bucket, Completion done) {
  const Entry& entry = buckets_[bucket];
  fill(entry);
  communicator_->tree_sum_async(entry.nodes, shards_, entry.sum,
                                ReductionTag{.pass = pass_, .bucket = static_cast<std::int64_t>(bucket)}.value(),
                                std::move(done));
}

void ShardedGradients::publish(std::size_t bucket) {
  const Entry& entry = buckets_[bucket];
  for (std::size_t i = 0; i < entry.plan.slots.size(); ++i) {
    const BucketSlot& slot = entry.plan.slots[i];
    const Tensor& p = parameters_[slot.parameter];
    check(!p.grad().defined(), "shards: parameter ", slot.parameter, " ", describe(p),
          " got a gradient that is no shard's: need all that is computed with parameters in the shards' losses");
    if (entry.nodes.defined()) {
      const bool has = dispatch_floating(entry.plan.dtype, "shards", [&](auto zero) {
        return entry.sum.const_data_ptr<decltype(zero)>()[entry.plan.count_offset(i)] > 0;
      });
      p.mutable_grad() = has ? entry.views.front()[i] : Tensor();
    } else {
      p.mutable_grad() = std::exchange(leaf(own_.begin, slot).mutable_grad(), Tensor());
    }
  }
}

}  // namespace backflow::distributed
