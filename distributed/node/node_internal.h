#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <backflow/distributed/calls/mpi_world_internal.h>
#include <backflow/distributed/node/node_memory_internal.h>
#include <backflow/distributed/node/node_rendezvous_internal.h>
#include <backflow/distributed/node/node_sums_internal.h>

namespace backflow::distributed {

/// The ranks of this rank's node, joined by memory that they share. Used by the communication thread, but for memory().
class Node {
 public:
  /// Joins the ranks of `comm`, which are on one machine. Collective. Null on every rank when they cannot share memory:
  /// each in a container of its own, or of different users.
  static std::unique_ptr<Node> join(const MpiWorld& world, MPI_Comm comm, const WaitRules& rules);

  NodeRendezvous& rendezvous() { return *rendezvous_; }
  NodeSums& sums() { return *sums_; }
  /// Thread-safe, and may outlive this object.
  const std::shared_ptr<NodeMemory>& memory() const { return memory_; }

 private:
  struct Invitation;

  Node() = default;
  bool open_control(const MpiWorld& world, MPI_Comm comm, int index, int size);
  void introduce(int rank, int index, int size, const WaitRules& rules);

  std::shared_ptr<NodeMemory> memory_ = std::make_shared<NodeMemory>();
  PeerMemory control_memory_;  ///< of the first rank's block alone, which so stays mapped
  PeerMemory peers_;
  NodeControl* control_ = nullptr;
  std::byte* staging_ = nullptr;
  std::optional<NodeRendezvous> rendezvous_;
  std::optional<NodeSums> sums_;
};

}  // namespace backflow::distributed
