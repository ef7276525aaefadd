#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <backflow/distributed/calls/mpi_call_internal.h>

namespace backflow::distributed {

/// Where bytes lie, so that every rank of a node can find them: in a segment of the rank that says so.
struct Place {
  std::uint64_t segment = 0;  ///< 0: in none that is shared
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  ///< of the segment
  std::int32_t file = -1;   ///< descriptor of the segment in its owner's process
  std::int32_t staged = 0;  ///< 1: a copy of a part of what is reduced, see NodeSums
};

/// What the ranks of a node know of one of them. `posts` are written by this rank before it arrives and read by all
/// afterwards: one for calls of even and one for those of odd number, since a rank may be one call ahead of another
/// that still reads.
struct NodeRank {
  struct Post {
    std::array<std::int64_t, 4> call{};
    Place place;
    std::int32_t verdict = 0;  ///< of the leader: the nodes' Agreement
  };

  alignas(64) std::atomic<std::uint32_t> posted;  ///< number of the last call at which it has arrived
  std::atomic<std::uint32_t> working;             ///< number of the call whose pieces it takes now; 0: none
  std::atomic<std::uint32_t> outside;             ///< 1 while it waits for other nodes, and so is not to blame
  std::int32_t rank;                              ///< of all ranks of the job
  std::int32_t process;
  std::array<Post, 2> posts;
  alignas(64) std::atomic<std::uint32_t> taken;  ///< pieces of its share of the call's work that somebody has taken
};

/// What the ranks of a node share to meet; see NodeRendezvous. In memory that all of them map, all zeros at first. Each
/// word that is written often has a cache line of its own.
struct NodeControl {
  static constexpr int kMaxRanks = 512;

  std::uint64_t cookie;                          ///< tells a rank that this is the memory it was told of
  alignas(64) std::atomic<std::uint32_t> event;  ///< counts what may end somebody's wait; they sleep on it
  std::atomic<std::uint32_t> sleepers;
  alignas(64) std::atomic<std::uint32_t> arrived;   ///< ranks at the call that is being made
  alignas(64) std::atomic<std::uint32_t> ready;     ///< number of the last call at which all ranks have arrived
  std::atomic<std::uint32_t> differing;             ///< number of the last call in which they disagreed
  std::atomic<std::int64_t> ready_at;               ///< trace::now() then; 0 when the last rank was not traced
  std::atomic<std::int64_t> met_at;                 ///< likewise, when the nodes have met; 0: not in this call
  alignas(64) std::atomic<std::uint32_t> finished;  ///< pieces of the call's work that are done
  alignas(64) std::atomic<std::uint32_t> done;      ///< number of the last call whose pieces are all done
  alignas(64) std::atomic<std::uint32_t> warned;  ///< number of the last call of which somebody has told that it waits
  std::atomic<std::uint32_t> failed;              ///< somebody has run into the time limit and tells of it
  std::atomic<std::uint32_t> told;                ///< 1 + index of the rank that tells why the job ends; 0: none

  /// The ranks follow the struct.
  NodeRank& rank(int i) { return reinterpret_cast<NodeRank*>(this + 1)[i]; }
  static std::size_t bytes(int ranks) {
    return sizeof(NodeControl) + static_cast<std::size_t>(ranks) * sizeof(NodeRank);
  }
};

static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

}  // namespace backflow::distributed
