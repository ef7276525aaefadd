#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <backflow/runtime/base/error.h>

namespace backflow::distributed {

/// Shards [begin, end) of a step.
struct ShardRange {
  int begin = 0;
  int end = 0;

  int size() const { return end - begin; }
  friend bool operator==(const ShardRange&, const ShardRange&) = default;
};

/// Samples [begin, end) of a global batch of `global_n`, all in one shard.
struct Shard {
  int index = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t global_n = 0;

  std::int64_t n() const { return end - begin; }
};

/// The shards of a rank: equal numbers, in order. Throws Error unless the ranks divide the shards.
ShardRange shards_of_rank(int shards, int rank, int ranks);

/// The samples of shard `index` of `shards`. The numbers differ by at most one, and may be 0. They are the samples that
/// ShardedSampler gives to the rank of that number, of so many.
Shard samples_of_shard(std::int64_t global_n, int index, int shards);
/// Part `part` of the `parts` that a shard is cut into; of `shard.n()` parts if there are fewer samples than parts, and
/// empty for the parts after those.
Shard part_of_shard(const Shard& shard, std::int64_t part, std::int64_t parts);

/// The seed of what shard `index` draws in a step: a function of (seed, step, index) alone. Fast reduction takes the
/// rank for `index`.
std::uint64_t shard_seed(std::uint64_t seed, std::int64_t step, int index);

/// Gradients are added in a fixed binary tree over all shards, whose shape depends on their number alone. It is cut in
/// two at the largest power of two that is below its size, and so on:
///
///   6 shards: ((0 + 1) + (2 + 3)) + (4 + 5)
///
/// Where a tree of two shards or more is cut.
int tree_cut(ShardRange tree);

/// The largest subtrees of the tree over `shards` shards that lie in `own`, from left to right. One for each rank when
/// numbers of shards and ranks are powers of two; fewer than 2 log2(shards) always.
std::vector<ShardRange> subtrees_in(int shards, ShardRange own);

/// The value of `tree`, when `value(i)` is that of its subtree `parts[i]`. The parts are from left to right and cover
/// the tree. `add(left, right)` returns the value of a node.
template <class Value, class Add>
auto fold_tree(ShardRange tree, std::span<const ShardRange> parts, const Value& value, const Add& add) {
  std::size_t next = 0;
  const auto fold = [&](const auto& self, ShardRange at) -> decltype(value(std::size_t{0})) {
    check(next < parts.size(), "fold_tree: ", parts.size(), " parts: need some that cover the tree");
    if (parts[next] == at) {
      return value(next++);
    }
    const int cut = tree_cut(at);
    auto left = self(self, {at.begin, cut});
    auto right = self(self, {cut, at.end});
    return add(std::move(left), std::move(right));
  };
  return fold(fold, tree);
}

}  // namespace backflow::distributed
