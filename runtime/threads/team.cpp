#include <backflow/runtime/threads/team.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <exception>
#include <thread>

#include <immintrin.h>

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>

#include <backflow/runtime/threads/pool.h>

namespace backflow {
namespace {

constexpr int kPausesPerLook = 32;     // between two looks at the clock
constexpr int kPausesPerYield = 4096;  // of a caller that waits for chunks under way

/// The chunks of one thread, which others take when they have none left.
struct alignas(64) Share {
  std::atomic<std::int64_t> next;
  std::int64_t end;
};

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

constinit thread_local int number = 0;  // of this thread among the helpers; 0 for others

}  // namespace

class Team::Loop {
 public:
  Loop(std::int64_t chunks, int threads, FunctionRef<void(std::int64_t)> body)
      : body_(body), outer_(current), count_(static_cast<int>(std::min<std::int64_t>(chunks, threads))) {
    if (count_ > static_cast<int>(few_.size())) {
      many_ = std::make_unique<Share[]>(static_cast<std::size_t>(count_));
      shares_ = many_.get();
    }
    for (int i = 0; i < count_; ++i) {
      shares_[i].next.store(chunks * i / count_, std::memory_order_relaxed);
      shares_[i].end = chunks * (i + 1) / count_;
    }
  }

  /// Runs chunks until none is left, those of a share of its own first.
  void work(int thread) noexcept {
    const Loop* const before = current;
    current = this;
    for (int i = 0; i < count_ && has_chunks(); ++i) {
      run(shares_[(thread + i) % count_]);
    }
    if (has_chunks()) {  // looking is cheaper than taking the cache line from all others
      has_chunks_.store(false, std::memory_order_relaxed);
    }
    current = before;
  }
  /// It has a place on the board, which it leaves when `open` is 0: the loops around it are told.
  void tell_outer(std::uint64_t bit, bool open) const {
    for (const Loop* loop = outer_; loop != nullptr; loop = loop->outer_) {
      open ? loop->inner_.fetch_or(bit, std::memory_order_relaxed)
           : loop->inner_.fetch_and(~bit, std::memory_order_relaxed);
    }
  }
  bool has_chunks() const { return has_chunks_.load(std::memory_order_relaxed); }
  /// The places of loops inside of it.
  std::uint64_t inner() const { return inner_.load(std::memory_order_relaxed); }
  int threads() const { return count_; }
  bool is_inside(const Loop& outer) const {
    const Loop* loop = this;
    while (loop != nullptr && loop != &outer) {
      loop = loop->outer_;
    }
    return loop != nullptr;
  }
  void rethrow() const {
    if (error_) {
      std::rethrow_exception(error_);
    }
  }

 private:
  void run(Share& share) noexcept {
    while (share.next.load(std::memory_order_relaxed) < share.end && has_chunks()) {
      const std::int64_t i = share.next.fetch_add(1, std::memory_order_relaxed);
      if (i >= share.end) {
        return;
      }
      try {
        body_(i);
      } catch (...) {
        if (!failed_.test_and_set()) {
          error_ = std::current_exception();
        }
        has_chunks_.store(false, std::memory_order_relaxed);
      }
    }
  }

  static constinit thread_local const Loop* current;  // the innermost one that this thread works on

  const FunctionRef<void(std::int64_t)> body_;
  const Loop* const outer_;
  const int count_;
  std::atomic<bool> has_chunks_{true};
  std::atomic_flag failed_ = ATOMIC_FLAG_INIT;
  std::exception_ptr error_;
  alignas(64) mutable std::atomic<std::uint64_t> inner_{0};  // apart, since all threads of the loop read the above
  std::array<Share, 16> few_;
  std::unique_ptr<Share[]> many_;
  Share* shares_ = few_.data();
};

constinit thread_local const Team::Loop* Team::Loop::current = nullptr;

std::atomic<bool> Team::has_summoned_{false};

Team::Team(int threads, double spin)
    : width_(threads),
      counters_((width_ + kHelpersPerCounter - 1) / kHelpersPerCounter),
      arena_(std::max(width_ - 1, 1), 0),
      entries_(kEntries),
      spin_(spin * 1000) {
  for (Entry& entry : entries_) {
    entry.inside = std::make_unique<Counter[]>(static_cast<std::size_t>(counters_));
  }
}

Team::~Team() { dismiss(); }

/// Waits until all helpers have left. No loop may be running.
void Team::dismiss() {
  const ThreadLease all(*this, width_);
  while (tasks_.load() != 0) {
    std::this_thread::yield();
  }
}

int Team::take_entry() {
  std::uint64_t taken = taken_.load(std::memory_order_relaxed);
  while (~taken != 0) {
    const int free = std::countr_one(taken);
    if (taken_.compare_exchange_weak(taken, taken | std::uint64_t{1} << free)) {
      return free;
    }
  }
  return -1;
}

void Team::run(std::int64_t chunks, FunctionRef<void(std::int64_t)> body) {
  if (width_ == 1 || chunks == 1) {
    for (std::int64_t i = 0; i < chunks; ++i) {
      body(i);
    }
    return;
  }
  Loop loop(chunks, width_, body);
  share(loop, [&] { loop.work(number); });
  loop.rethrow();
}

void Team::run_in_arena(std::int64_t chunks, FunctionRef<void(std::int64_t)> body) {
  Loop loop(chunks, width_, body);
  const int threads = std::min(loop.threads(), tbb::this_task_arena::max_concurrency());
  share(loop, [&] {
    // The static partitioner sends the tasks to the threads at once; else these would have to find and steal them.
    tbb::this_task_arena::isolate([&] {
      tbb::parallel_for(
          0, threads, [&](int i) { loop.work(width_ - 1 - i); }, tbb::static_partitioner());
    });
  });
  loop.rethrow();
}

/// Calls `work` while the loop lies on the board, and returns when all have left the loop.
void Team::share(Loop& loop, FunctionRef<void()> work) {
  const int place = most_helpers() > 0 ? take_entry() : -1;
  if (place < 0) {
    work();
    return;
  }
  Entry& entry = entries_[static_cast<std::size_t>(place)];
  const std::uint64_t bit = std::uint64_t{1} << place;
  entry.loop.store(&loop);
  loop.tell_outer(bit, true);
  open_.fetch_or(bit);
  summon(std::min(loop.threads() - 1, most_helpers()));
  work();
  close(bit);
  loop.tell_outer(bit, false);
  entry.loop.store(nullptr);
  wait_for_end(entry, loop);
  taken_.fetch_and(~bit);
}

/// Nobody takes a chunk any more of the loop in that place. To be called by who keeps the loop there.
void Team::close(std::uint64_t bit) {
  if ((open_.load(std::memory_order_relaxed) & bit) != 0) {  // else another has been faster
    open_.fetch_and(~bit);
  }
}

/// Makes sure that so many helpers are there or on their way.
void Team::summon(int helpers) noexcept {
  int there = helpers_.load();  // after the loop was opened, in the one order that leave() relies on
  while (there < helpers) {
    if (helpers_.compare_exchange_weak(there, helpers)) {
      has_summoned_.store(true, std::memory_order_relaxed);
      tasks_.fetch_add(helpers - there);
      start_helpers(helpers - there);
      return;
    }
  }
}

/// In a tree: each one that is woken wakes others first.
void Team::start_helpers(int count) noexcept {
  int left = count;
  try {
    while (left > 0) {
      const int half = (left + 1) / 2;
      arena_.enqueue([this, half] {
        start_helpers(half - 1);
        help();
        tasks_.fetch_sub(1);  // the last thing: the team may go now
      });
      left -= half;
    }
  } catch (...) {
    // No memory for a task: the loop has fewer threads.
    helpers_.fetch_sub(left);
    tasks_.fetch_sub(left);
  }
}

void Team::help() {
  number = tbb::this_task_arena::current_thread_index() + 1;
  do {
    while (watch()) {
      help_with(open_.load(), nullptr);
    }
  } while (!leave());
}

/// Counts this helper out; false if a loop needs it after all.
bool Team::leave() {
  int there = helpers_.load();
  while (there > most_helpers()) {
    if (helpers_.compare_exchange_weak(there, there - 1)) {
      return true;  // there are still as many as any loop counts on
    }
  }
  helpers_.fetch_sub(1);
  if (open_.load() == 0) {
    return true;
  }
  helpers_.fetch_add(1);  // a caller that came just before has counted on this one
  return false;
}

/// Waits until there may be a loop; false if none has come, or if there are too many helpers.
bool Team::watch() const {
  const auto end = now() + static_cast<std::int64_t>(spin_.load(std::memory_order_relaxed));
  do {
    if (helpers_.load(std::memory_order_relaxed) > most_helpers()) {
      return false;
    }
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (open_.load(std::memory_order_relaxed) != 0) {
        return true;
      }
      _mm_pause();
    }
  } while (now() < end);
  return false;
}

/// Works on one of the loops, if any is inside of `outer`, or on any if that is null. Says whether there was one.
bool Team::help_with(std::uint64_t open, const Loop* outer) {
  for (; open != 0; open &= open - 1) {
    const int place = std::countr_zero(open);
    Entry& entry = entries_[static_cast<std::size_t>(place)];
    std::atomic<int>& inside = entry.inside[static_cast<std::size_t>(number / kHelpersPerCounter % counters_)].helpers;
    inside.fetch_add(1);
    Loop* const loop = entry.loop.load();
    bool has_worked = false;
    if (loop != nullptr && (outer == nullptr || loop->is_inside(*outer))) {
      has_worked = loop->has_chunks();
      if (has_worked) {
        loop->work(number);
      }
      close(std::uint64_t{1} << place);  // this loop's still: its caller waits for us
    }
    inside.fetch_sub(1);
    if (has_worked) {
      return true;
    }
  }
  return false;
}

bool Team::has_helpers(const Entry& entry) const {
  for (int i = 0; i < counters_; ++i) {
    if (entry.inside[static_cast<std::size_t>(i)].helpers.load() != 0) {
      return true;
    }
  }
  return false;
}

void Team::wait_for_end(const Entry& entry, const Loop& loop) {
  for (int i = 0; has_helpers(entry); ++i) {
    const std::uint64_t inner = loop.inner();
    if (inner != 0 && help_with(inner & open_.load(std::memory_order_relaxed), &loop)) {
      continue;
    }
    if (i % kPausesPerYield == kPausesPerYield - 1) {
      std::this_thread::yield();
    }
    _mm_pause();
  }
}

}  // namespace backflow
