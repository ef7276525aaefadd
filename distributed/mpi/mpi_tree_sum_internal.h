#pragma once

#include <cstddef>
#include <vector>

#include <backflow/distributed/calls/mpi_world_internal.h>
#include <backflow/distributed/communicator.h>
#include <backflow/distributed/shards/shards.h>

namespace backflow::distributed {

/// Communicator::tree_sum_async on the communication thread. Each rank sums a slice of the elements: it gets that slice
/// of all ranks' subtrees, adds them in the tree's order, and sends the sum to all. Of two ranks or more each sends and
/// receives about as much as in an all-reduce, times the number of its subtrees for the first half.
class MpiTreeSum {
 public:
  explicit MpiTreeSum(MpiWorld& world) : world_(world) {}

  /// `nodes`: the rows of this rank, one after the other; `sum` may be the first. Throws MpiError and Cancelled.
  void run(Buffer nodes, int shards, Buffer sum);

 private:
  template <class T>
  void sum_piece(const T* nodes, std::int64_t row, int shards, T* sum, std::int64_t n);
  template <class T>
  void exchange(const T* nodes, std::int64_t row, const std::vector<std::vector<ShardRange>>& subtrees, std::int64_t n);

  MpiWorld& world_;
  std::vector<std::byte> scratch_;  ///< this rank's slice of every subtree
};

}  // namespace backflow::distributed
