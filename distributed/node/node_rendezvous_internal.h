#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/distributed/calls/mpi_call_internal.h>
#include <backflow/distributed/calls/wait_watch_internal.h>
#include <backflow/distributed/node/node_control_internal.h>
#include <backflow/runtime/base/function_ref.h>

namespace backflow::distributed {

/// Where the ranks of a node meet. Every call is: arrive(), in which each rank says what it is about to do and where
/// its data lie; then perhaps share(), in which they do it together. The ranks need only memory that they all map, and
/// no MPI; so threads of one process can be ranks too, in tests.
///
/// A rank that waits sleeps and takes no core from the kernels; if the call has the program's own thread, it looks for
/// 0.2 ms first, and lets others run between two looks. The work of a call is cut into pieces, which belong to
/// no rank: whoever is awake takes the next one. So the last rank to arrive starts at once, without waiting until the
/// others are awake, and does all of a small call itself. What a piece computes must not depend on who does it.
///
/// One object for each rank, used by one thread.
class NodeRendezvous {
 public:
  /// Whether the others are woken when all have arrived, to help, or only when the call's work is done.
  enum class Wake { Now, WhenDone };

  /// `control` is that of the node, with `size` ranks, of which this one is number `index`.
  NodeRendezvous(NodeControl& control, int index, int size, const WaitRules& rules)
      : control_(control), index_(index), size_(size), rules_(rules) {}

  int index() const { return index_; }
  int size() const { return size_; }

  /// Waits until all ranks have arrived. Returns false when they are not all about to make the same call: posted()
  /// tells what each wants. Throws what WaitWatch does. With Wake::WhenDone, share() must follow.
  bool arrive(const MpiCall& call, const Place& place, Wake wake, int verdict = 0);
  /// While this rank, which leads the node, waits for other nodes, the others do not hold it against it.
  void set_outside(bool outside) { control_.rank(index_).outside.store(outside ? 1 : 0); }
  /// The leader has met those of the other nodes. Up to here the others have waited for ranks; from here to their next
  /// arrive() they wait for data. For the times that a trace tells.
  void note_met();
  /// What rank `i` of the node has said when it arrived last, until the next arrive().
  const NodeRank::Post& posted(int i) const { return control_.rank(i).posts[number_ % 2]; }
  int rank_of(int i) const { return control_.rank(i).rank; }
  std::int32_t process_of(int i) const { return control_.rank(i).process; }

  /// Calls `piece(i)` once for every i below `pieces`, on whichever rank. Returns when all have been done. At most once
  /// after each arrive(), with the same number on every rank.
  void share(std::int64_t pieces, FunctionRef<void(std::int64_t)> piece);
  /// True for the first rank of the node that asks, every time. Thread-safe.
  bool claim_failure() noexcept;
  /// Those of the other ranks that are stopped or have died. Thread-safe.
  std::vector<AwaitedRank> absent() const;
  /// Whether the work of this call has been done, by others: a rank may be late for it.
  bool is_done() const { return is_reached(control_.done, number_); }

 private:
  static bool is_reached(const std::atomic<std::uint32_t>& word, std::uint32_t number) {
    return static_cast<std::int32_t>(word.load(std::memory_order_acquire) - number) >= 0;
  }

  bool agree() const;
  void notify();
  void wait_for(const std::atomic<std::uint32_t>& word, const MpiCall& call);
  bool is_reached_soon(const std::atomic<std::uint32_t>& word) const;
  bool is_leader_outside() const;
  std::vector<AwaitedRank> awaited(const std::atomic<std::uint32_t>& word) const;

  NodeControl& control_;
  const int index_;
  const int size_;
  const WaitRules& rules_;
  std::uint32_t number_ = 0;  ///< of the last call
};

}  // namespace backflow::distributed
