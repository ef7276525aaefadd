#include <chrono>
#include <optional>
#include <thread>

#include <backflow/distributed/calls/call_times_internal.h>
#include <backflow/distributed/calls/process_state_internal.h>
#include <backflow/distributed/node/futex_internal.h>
#include <backflow/distributed/node/node_rendezvous_internal.h>

namespace backflow::distributed {

bool NodeRendezvous::arrive(const MpiCall& call, const Place& place, Wake wake, int verdict) {
  const ArrivalTime arrival;
  ++number_;
  NodeRank& self = control_.rank(index_);
  self.posts[number_ % 2] = {call.words(), place, verdict};
  self.posted.store(number_, std::memory_order_release);
  if (control_.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(size_)) {
    // The others wait for what follows, so this rank alone touches the counters.
    control_.arrived.store(0, std::memory_order_relaxed);
    control_.finished.store(0, std::memory_order_relaxed);
    for (int i = 0; i < size_; ++i) {
      control_.rank(i).taken.store(0, std::memory_order_relaxed);
    }
    const bool same = agree();
    control_.differing.store(same ? ~number_ : number_, std::memory_order_relaxed);
    const std::int64_t met_at = control_.met_at.exchange(0, std::memory_order_relaxed);
    control_.ready_at.store(met_at != 0 ? met_at : CallTimes::now_if_traced(), std::memory_order_relaxed);
    control_.ready.store(number_, std::memory_order_release);
    if (wake == Wake::Now || !same) {
      notify();
    }
  } else {
    wait_for(control_.ready, call);
  }
  arrival.end(control_.ready_at.load(std::memory_order_relaxed));
  return control_.differing.load(std::memory_order_relaxed) != number_;
}

void NodeRendezvous::note_met() { control_.met_at.store(CallTimes::now_if_traced(), std::memory_order_relaxed); }

bool NodeRendezvous::agree() const {
  for (int i = 1; i < size_; ++i) {
    if (posted(i).call != posted(0).call) {
      return false;
    }
  }
  return true;
}

void NodeRendezvous::share(std::int64_t pieces, FunctionRef<void(std::int64_t)> piece) {
  if (pieces == 0) {
    return;
  }
  NodeRank& self = control_.rank(index_);
  self.working.store(number_, std::memory_order_relaxed);
  // The own share first, whose memory is near; then what the others have left of theirs.
  for (int k = 0; k < size_ && !is_reached(control_.done, number_); ++k) {
    const int owner = (index_ + k) % size_;
    const std::int64_t begin = pieces * owner / size_;
    const std::int64_t end = pieces * (owner + 1) / size_;
    for (;;) {
      const std::int64_t i = begin + control_.rank(owner).taken.fetch_add(1, std::memory_order_relaxed);
      if (i >= end) {
        break;
      }
      piece(i);
      if (control_.finished.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(pieces)) {
        control_.done.store(number_, std::memory_order_release);
        notify();
      }
    }
  }
  self.working.store(0, std::memory_order_relaxed);
  wait_for(control_.done, MpiCall::of(posted(index_).call));
}

/// Wakes those that sleep, after a store that may end their wait. All of this in one total order with the waiter's
/// "count me, read the event, look again": so either it sees the store, or it does not sleep, or it is woken.
void NodeRendezvous::notify() {
  control_.event.fetch_add(1);
  if (control_.sleepers.load() > 0) {
    futex_wake_all(control_.event);
  }
}

void NodeRendezvous::wait_for(const std::atomic<std::uint32_t>& word, const MpiCall& call) {
  if (is_reached(word, number_) || (rules_.is_idle() && is_reached_soon(word))) {
    return;
  }
  const auto once = [this](std::atomic<std::uint32_t>& last) { return last.exchange(number_) != number_; };
  std::optional<WaitWatch> watch;
  for (;;) {
    control_.sleepers.fetch_add(1);
    const std::uint32_t event = control_.event.load();
    const bool is_over = is_reached(word, number_);
    if (!is_over) {
      futex_wait(control_.event, event, WaitWatch::kNap);
    }
    control_.sleepers.fetch_sub(1);
    if (is_over || is_reached(word, number_)) {
      return;
    }
    if (is_leader_outside()) {
      rules_.still_wanted();
      watch.reset();  // the leader has limits of its own
      continue;
    }
    if (!watch) {
      watch.emplace(
          rules_, call, [this, &word] { return awaited(word); }, [this, once] { return once(control_.warned); },
          [this] { return control_.failed.exchange(1) == 0; });
    }
    watch->look();
  }
}

/// To fall asleep and to be woken takes 50 to 100 us, more than most calls.
bool NodeRendezvous::is_reached_soon(const std::atomic<std::uint32_t>& word) const {
  constexpr std::chrono::microseconds kSoon{200};
  for (const auto end = std::chrono::steady_clock::now() + kSoon; std::chrono::steady_clock::now() < end;) {
    if (is_reached(word, number_)) {
      return true;
    }
    std::this_thread::yield();
  }
  return false;
}

bool NodeRendezvous::claim_failure() noexcept {
  const auto self = static_cast<std::uint32_t>(index_ + 1);
  std::uint32_t first = 0;
  return control_.told.compare_exchange_strong(first, self) || first == self;
}

std::vector<AwaitedRank> NodeRendezvous::absent() const {
  std::vector<AwaitedRank> ranks;
  for (int i = 0; i < size_; ++i) {
    const NodeRank& other = control_.rank(i);
    if (i != index_ && other.process > 0 && process_state(other.process) != ProcessState::Running) {
      ranks.push_back({other.rank, other.process});
    }
  }
  return ranks;
}

bool NodeRendezvous::is_leader_outside() const {
  const NodeRank& leader = control_.rank(0);
  return index_ != 0 && leader.outside.load() != 0 && process_state(leader.process) == ProcessState::Running;
}

/// Who has not arrived or, when the work is waited for, who is at it.
std::vector<AwaitedRank> NodeRendezvous::awaited(const std::atomic<std::uint32_t>& word) const {
  std::vector<AwaitedRank> ranks;
  for (int i = 0; i < size_; ++i) {
    NodeRank& other = control_.rank(i);
    const bool is_late = &word == &control_.ready ? !is_reached(other.posted, number_)
                                                  : other.working.load(std::memory_order_relaxed) == number_;
    if (is_late && i != index_) {
      ranks.push_back({other.rank, other.process});
    }
  }
  return ranks;
}

}  // namespace backflow::distributed
