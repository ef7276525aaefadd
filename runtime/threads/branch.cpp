#include <backflow/runtime/threads/branch.h>

#include <algorithm>

namespace backflow {
namespace {

/// Leaves a closure whose results nobody will see: one before it has failed.
struct Overtaken {};

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

void Turns::wait(std::size_t index) {
  if (leading_.load(std::memory_order_acquire) >= index) {
    return;
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return leading_ >= index || failed_before(index); });
  if (leading_ < index) {
    throw Overtaken();
  }
}

void Turns::end(std::size_t index, bool failed) {
  {
    const std::lock_guard lock(mutex_);
    if (failed) {
      first_failed_ = std::min(first_failed_.load(), index);
    } else {
      ended_[index] = true;
      std::size_t leading = leading_;
      while (leading < ended_.size() && ended_[leading]) {
        ++leading;
      }
      leading_.store(leading, std::memory_order_release);
    }
  }
  changed_.notify_all();
}

Branch::Branch(Turns& turns, std::size_t index, Branch* outer)
    : turns_(turns), index_(index), outer_(outer), id_(next_id()) {}

void detail::wait_in_branch(std::uint64_t since) {
  for (Branch* branch = thread_state().branch; branch != nullptr && branch->id() != since; branch = branch->outer()) {
    branch->wait();
  }
}

}  // namespace backflow
