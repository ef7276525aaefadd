#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <backflow/distributed/calls/mpi_world_internal.h>
#include <backflow/distributed/node/between_nodes_internal.h>

namespace backflow::distributed {

/// The leaders of the nodes, the first rank of each, joined by MPI. Every leader talks to every other one directly: a
/// sum takes two messages one after the other on any number of nodes, and as many bytes as a ring's. On the
/// communication thread.
class NodeLink final : public BetweenNodes {
 public:
  /// Joins the nodes of the job. Collective over all ranks.
  static std::unique_ptr<NodeLink> join(MpiWorld& world, const WaitRules& rules);
  ~NodeLink() override;

  int size() const override { return static_cast<int>(ranks_.size()); }
  const std::vector<int>& ranks_of(int node) const override { return ranks_[static_cast<std::size_t>(node)]; }

  void begin_agreement(const MpiCall& call, Agreement here) override;
  Agreement end_agreement() override;
  void reduce_scatter(std::byte* data, ScalarType dtype, const Shares& shares) override;
  void all_gather(std::byte* data, ScalarType dtype, const Shares& shares) override;

 private:
  NodeLink(MpiWorld& world, const WaitRules& rules) : world_(world), rules_(rules) {}

  void send(std::byte* data, std::int64_t bytes, int node);
  void receive(std::byte* data, std::int64_t bytes, int node);
  void wait_for_all();
  std::vector<AwaitedRank> awaited() const;

  MpiWorld& world_;
  const WaitRules& rules_;
  MPI_Comm leaders_ = MPI_COMM_NULL;
  int index_ = 0;
  std::vector<std::vector<int>> ranks_;  ///< by node

  std::array<std::int64_t, 5> mine_{};  ///< the call's words, and the node's Agreement
  std::vector<std::array<std::int64_t, 5>> calls_;

  std::vector<MPI_Request> requests_;  ///< under way
  std::vector<int> nodes_;             ///< that these concern
  std::vector<std::byte> scratch_;     ///< what other nodes have sent
};

}  // namespace backflow::distributed
