#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/distributed/node/between_nodes_internal.h>
#include <backflow/distributed/node/node_rendezvous_internal.h>

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

  static constexpr std::int64_t kStagingBytes = std::int64_t{4} << 20;
  /// What is exchanged with other nodes at once where nothing is staged. Each exchange waits four times for the
  /// network, so few are better; a leader has a buffer of this size.
  static constexpr std::int64_t kPartBytes = std::int64_t{32} << 20;

  /// To be called once all ranks of the node are known. With a link there are other nodes: a node's sum goes to its
  /// leader's buffer, the leaders add these up in the order of the nodes, and each rank copies what it needs.
  void use(BetweenNodes* link);

  /// Each returns false, when the ranks are about to make different calls; then what is in `x` is not defined.
  bool agree(const MpiCall& call);
  bool all_reduce(const MpiCall& call, const Buffer& x);
  /// `x` is cut into equal parts, one for each rank of the job. See Communicator.
  bool reduce_scatter(const MpiCall& call, const Buffer& x);
  bool all_gather(const MpiCall& call, const Buffer& x);

 private:
  /// What a call does with elements [begin, begin + n), which are at `buffers` of the node's ranks.
  using Work = std::function<void(std::span<std::byte* const> buffers, std::int64_t begin, std::int64_t n)>;
  /// What the leader does with them, together with other leaders.
  using Exchange = std::function<void(std::byte* data, std::int64_t begin, std::int64_t n)>;
  /// A call on several nodes: before the leaders' part, that, and after it.
  struct Phases {
    Work inside;
    Exchange between = nullptr;
    Work back = nullptr;
  };

  bool run(const MpiCall& call, const Buffer& x, const Phases& phases);
  Agreement run_part(const MpiCall& call, const Buffer& x, const Place& place, std::int64_t begin, std::int64_t& n,
                     const Phases& phases, Agreement before);
  Agreement exchange(const MpiCall& call, const Buffer& x, const Place& place, std::int64_t begin, std::int64_t n,
                     const Phases& phases, Agreement agreement);
  NodeRendezvous::Wake wake_for(const Buffer& x, std::int64_t n) const;
  std::byte* own_buffer(const Buffer& x, const Place& place, std::int64_t begin) const;
  Agreement agreement_here(bool same) const;
  bool any_staged() const;
  std::vector<std::byte*> buffers_at(const Buffer& x, std::int64_t begin);
  void share(const Buffer& x, std::int64_t begin, std::int64_t n, const Work& work);
  template <class F>
  void for_parts(std::int64_t begin, std::int64_t n, std::int64_t part, const F& f) const;
  BetweenNodes::Shares shares_of_parts(std::int64_t begin, std::int64_t n, std::int64_t part) const;

  NodeRendezvous& node_;
  BetweenNodes* link_ = nullptr;  ///< null when there is one node
  std::vector<int> node_of_;      ///< by rank
  std::vector<int> index_of_;     ///< by rank: its number in this node; -1 for ranks of others
  const Places places_;
  const Addresses addresses_;
  std::byte* const staging_;
};

}  // namespace backflow::distributed
