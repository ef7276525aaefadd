#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <backflow/distributed/buckets/buckets.h>
#include <backflow/distributed/communicator.h>
#include <backflow/distributed/shards/shards.h>
#include <backflow/runtime/engine/pass_task.h>

namespace backflow::distributed {

/// Adds the gradients of shards in the order of their tree: on this rank as soon as two neighbours in the tree are
/// complete, then over the ranks, bucket by bucket. Addition goes element by element, so the buckets change no bits.
///
/// Memory: of two gradients that are added one is freed. On one thread backward finishes one shard after the other; so
/// at most 1 + log2(shards of this rank) gradients of the model are alive. On several threads shards are computed at
/// the same time, and at worst each has a gradient. On several ranks the buckets are as large as the gradients, once
/// for every subtree of this rank, and stay.
class ShardedGradients {
 public:
  /// `leaves[s][p]`: of this rank's shard s, what stands for parameter p (ShardState::leaves).
  ShardedGradients(std::vector<Tensor> parameters, std::vector<std::vector<Tensor>> leaves, int shards,
                   std::shared_ptr<Communicator> communicator);
  ShardedGradients(const ShardedGradients&) = delete;
  ShardedGradients& operator=(const ShardedGradients&) = delete;

  std::size_t buckets() const { return buckets_.size(); }
  std::vector<Tensor> parameters(std::size_t bucket) const;

  /// Adds tasks that sum the gradients of a bucket over all shards; publish() may be called after the last, which is
  /// returned, and on one rank without shards to add after all leaves of `leaves(bucket)`. Sums over the ranks start in
  /// the order of the buckets: `before` is the task returned for the bucket before, if there is one.
  TaskIndex add_tasks(std::size_t bucket, TaskIndex before, IndexedVector<TaskIndex, PassTask>& tasks);
  /// The leaves of a bucket, of all shards of this rank.
  std::vector<Tensor> leaves(std::size_t bucket) const;
  /// Before each pass with tasks.
  void begin_pass() { ++pass_; }
  /// Gives the parameters of a bucket the sum of all shards as gradient; those that no shard used keep none. Throws
  /// Error for a parameter that has one already: it came from outside of the shards.
  void publish(std::size_t bucket);

 private:
  struct Entry {
    BucketPlan plan;
    Tensor nodes;                            ///< [subtrees, plan.numel]; undefined on one rank
    Tensor sum;                              ///< the first row
    std::vector<std::vector<Tensor>> views;  ///< by subtree and slot: where the gradient is
  };

  Entry make_entry(BucketPlan plan);
  const Tensor& leaf(int shard, const BucketSlot& slot) const;
  TaskIndex add_node(std::size_t bucket, ShardRange tree, IndexedVector<TaskIndex, PassTask>& tasks,
                     std::vector<Tensor>& waits);
  void add(const BucketPlan& plan, ShardRange left, ShardRange right) const;
  void fill(const Entry& entry) const;
  void start(std::size_t bucket, Completion done);

  std::vector<Tensor> parameters_;
  std::vector<std::vector<Tensor>> leaves_;
  int shards_;
  std::shared_ptr<Communicator> communicator_;
  ShardRange own_;
  std::vector<ShardRange> subtrees_;
  std::vector<Entry> buckets_;
  std::int64_t pass_ = 0;
};

}  // namespace backflow::distributed
