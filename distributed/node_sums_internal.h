#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/distributed/node_rendezvous_internal.h>

namespace backflow::distributed {

/// The collective calls of the ranks of one node, through memory that they share. Each element is summed in the order
/// of the ranks, whoever does it, so bits depend on nothing else. Used by one thread.
///
/// A sum is made in place: whoever takes a piece of it reads that piece in the buffers of all ranks and writes the sum
/// to all of them. That is the least traffic there can be, each byte read once and written once, with no second buffer.
/// A rank whose tensor is not in memory from Communicator::allocate copies it, part by part, through a staging block.
class NodeSums {
 public:
  /// Finds the bytes at a place of rank `index` of the node; null when that cannot be.
  using Addresses = std::function<std::byte*(int index, const Place& place)>;
  /// Where bytes of this rank are for the others.
  using Places = std::function<Place(const std::byte* data)>;

  /// `staging` is a block of kStagingBytes that the other ranks can find.
  NodeSums(NodeRendezvous& node, Places places, Addresses addresses, std::byte* staging)
      : node_(node), places_(std::move(places)), addresses_(std::move(addresses)), staging_(staging) {}

  static constexpr std::int64_t kStagingBytes = std::int64_t{2} << 20;

  /// Each returns false, and does nothing, when the ranks are about to make different calls.
  bool all_reduce(const MpiCall& call, const Buffer& x);
  /// `x` is cut into size() equal parts, that of rank i of the node being number i. See Communicator.
  bool reduce_scatter(const MpiCall& call, const Buffer& x);
  bool all_gather(const MpiCall& call, const Buffer& x);

 private:
  /// What a call does with elements [begin, begin + n), which are at `buffers` of the ranks.
  using Work = std::function<void(std::span<std::byte* const> buffers, std::int64_t begin, std::int64_t n)>;

  bool run(const MpiCall& call, const Buffer& x, const Work& work);
  bool any_staged() const;
  std::vector<std::byte*> buffers_at(const Buffer& x, std::int64_t begin);
  void share(const Buffer& x, std::int64_t begin, std::int64_t n, const Work& work);

  NodeRendezvous& node_;
  const Places places_;
  const Addresses addresses_;
  std::byte* const staging_;
};

}  // namespace backflow::distributed
