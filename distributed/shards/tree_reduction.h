#pragma once

#include <cstdint>
#include <span>

#include <backflow/distributed/communicator.h>
#include <backflow/distributed/shards/shards.h>

namespace backflow::distributed {

/// What stands for an element that a shard does not have: x + kAbsent is x, -0 included.
constexpr double kAbsent = -0.0;

/// Adds the values of subtrees, `n` elements each, in the order of the tree over `shards` shards (see shards.h).
/// Overwrites `values`, and returns the one that holds the sum. Plain additions: the same bits on every machine.
template <class T>
const T* add_tree(int shards, std::span<const ShardRange> parts, std::span<T* const> values, std::int64_t n) {
  return fold_tree(
      {0, shards}, parts, [&](std::size_t i) { return values[i]; },
      [n](T* left, const T* right) {
        for (std::int64_t i = 0; i < n; ++i) {
          left[i] += right[i];
        }
        return left;
      });
}

/// The sum of small messages of shards over all ranks, in the tree's order: the same bits on every number of ranks.
/// `messages`: of each of this rank's shards, in order, `length` numbers. Collective.
std::vector<double> sum_messages(Communicator& world, int shards, std::vector<std::vector<double>> messages,
                                 std::size_t length);

}  // namespace backflow::distributed
