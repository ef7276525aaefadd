#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <backflow/distributed/calls/mpi_call_internal.h>
#include <backflow/runtime/tensor/dtype.h>

namespace backflow::distributed {

/// Elements [begin, begin + count) of a buffer.
struct Range {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

/// What the ranks of a node, or those of all nodes, are about to do; the least of several is that of all.
enum class Agreement : std::int32_t {
  None,    ///< different calls
  Staged,  ///< one call; some rank has its data outside of shared memory
  Mapped,  ///< one call, and all data are in shared memory
};

/// How the leaders of the nodes, the first rank of each, work together. NodeLink does it with MPI. For leaders, but for
/// what every rank may ask.
class BetweenNodes {
 public:
  BetweenNodes() = default;
  BetweenNodes(const BetweenNodes&) = delete;
  BetweenNodes& operator=(const BetweenNodes&) = delete;
  virtual ~BetweenNodes() = default;

  /// Of every rank: how many nodes there are, and the ranks of each.
  virtual int size() const = 0;
  virtual const std::vector<int>& ranks_of(int node) const = 0;

  /// Tells the other leaders what the ranks of this node are about to do.
  virtual void begin_agreement(const MpiCall& call, Agreement here) = 0;
  /// What the ranks of all nodes are about to do.
  virtual Agreement end_agreement() = 0;

  /// Elements by the node to which they belong: ranges of a buffer, for each node.
  using Shares = std::vector<std::vector<Range>>;
  /// Replaces this node's elements by their sums, added in the order of the nodes; the others stay as they are.
  virtual void reduce_scatter(std::byte* data, ScalarType dtype, const Shares& shares) = 0;
  /// Copies each node's elements to all.
  virtual void all_gather(std::byte* data, ScalarType dtype, const Shares& shares) = 0;
};

}  // namespace backflow::distributed
