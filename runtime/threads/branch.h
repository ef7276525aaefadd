#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

#include <backflow/runtime/threads/thread_state.h>

namespace backflow {

/// Which closures of one parallel() (parallel.h) have ended. Thread-safe.
class Turns {
 public:
  explicit Turns(std::size_t count) : ended_(count) {}

  /// Waits until all closures before number `index` have ended. Throws when one of them failed, since a serial run
  /// would have stopped there.
  void wait(std::size_t index);
  void end(std::size_t index, bool failed);
  bool failed_before(std::size_t index) const { return first_failed_.load(std::memory_order_acquire) < index; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bool> ended_;
  std::atomic<std::size_t> leading_{0};  ///< closures from the first on that have all ended well
  std::atomic<std::size_t> first_failed_{~std::size_t{0}};
};

/// One closure of a parallel() while it runs, on whatever threads, and the nodes that it has recorded.
class Branch {
 public:
  Branch(Turns& turns, std::size_t index, Branch* outer);
  ~Branch() { renumber(0); }
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  /// A number that no other has; never 0.
  std::uint64_t id() const { return id_; }
  /// The closure that called parallel(); null outside of all.
  Branch* outer() const { return outer_; }
  void wait() { turns_.wait(index_); }

  /// Keeps a node that was made in the closure. Thread-safe.
  void log(Node& node);
  /// Adds `offset` to the sequence numbers of the kept nodes, and hands the nodes to the outer branch.
  void renumber(std::uint64_t offset);

  std::uint64_t recorded = 0;  ///< sequence numbers that the closure took, once it has ended
  std::exception_ptr error;    ///< that ended it

 private:
  void keep(Node& node);

  Turns& turns_;
  const std::size_t index_;
  Branch* const outer_;
  const std::uint64_t id_;
  std::atomic<Node*> nodes_{nullptr};  ///< a list, linked through the nodes, that owns a share of each
};

/// The id of the closure of parallel() that this thread works for; 0 outside of all.
inline std::uint64_t branch_id() {
  const Branch* branch = thread_state().branch;
  return branch == nullptr ? 0 : branch->id();
}

namespace detail {
void wait_in_branch(std::uint64_t since);
}  // namespace detail

/// To be called before anything that must happen in the order of a serial run. In a closure of parallel() it waits
/// until all earlier closures have ended; outside it does nothing. With `since`, the branch that made the object in
/// question, it only waits for closures inside of that branch. The caller must hold no lock that another closure could
/// need.
inline void wait_for_turn(std::uint64_t since = 0) {
  if (thread_state().branch != nullptr) [[unlikely]] {
    detail::wait_in_branch(since);
  }
}

}  // namespace backflow
