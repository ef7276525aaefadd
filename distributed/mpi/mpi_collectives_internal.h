#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <backflow/distributed/calls/mpi_call_internal.h>
#include <backflow/distributed/calls/mpi_world_internal.h>
#include <backflow/distributed/communicator.h>
#include <backflow/distributed/node/node_internal.h>

namespace backflow::distributed {

/// The collective calls, to be made on the communication thread. Nonblocking calls of MPI all of them, so that the
/// thread can be told to give up.
class MpiCollectives {
 public:
  explicit MpiCollectives(MpiWorld& world) : world_(world) {}

  /// From now on ranks of a node meet and reduce in memory that they share, which may be linked to other nodes. With
  /// null, MPI does it all. The same on every rank, between the same calls.
  void use(Node* node) { node_ = node; }
  /// Compares `call` over the ranks; throws Error on all of them when they differ.
  void agree(const MpiCall& call);
  /// These compare `call` too.
  void all_reduce(const MpiCall& call, Buffer x);
  void reduce_scatter(const MpiCall& call, Buffer x);
  void all_gather(const MpiCall& call, Buffer x);
  /// The texts of all ranks. In memory are so many as there are ranks, each as long as the longest.
  std::vector<std::string> all_gather(const MpiCall& call, const std::string& text);
  /// After agree().
  void broadcast(Buffer x, int root);

 private:
  bool is_summed_by_node(ScalarType dtype) const;
  std::vector<MpiCall> calls_of_all(const MpiCall& call);
  [[noreturn]] void fail_disagreement(const MpiCall& call);

  MpiWorld& world_;
  Node* node_ = nullptr;
  std::vector<std::byte> scratch_;  ///< where reductions arrive
};

}  // namespace backflow::distributed
