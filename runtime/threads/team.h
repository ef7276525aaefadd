#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <oneapi/tbb/task_arena.h>

#include <backflow/runtime/base/function_ref.h>
#include <backflow/runtime/threads/binding.h>

namespace backflow {

/// The threads of the pool as they share loops. They are workers of oneTBB. A worker that was summoned for a loop stays
/// for a while and watches for the next one: a step is thousands of short loops, and a sleeping thread takes longer to
/// wake up than many of them take. Thread-safe.
///
/// A loop lies in an entry of the board while it has chunks to hand out. Every thread has chunks of its own, which are
/// the same ones in loops of equal length, so that data stays in its caches; when these are done it takes those of
/// others. A thread that waits for the end of its loop runs chunks of loops inside of that loop, and nothing else.
class Team {
 public:
  /// For loops on up to so many threads, the caller included. A helper watches for so long, in us, for the next loop.
  Team(int threads, double spin);
  /// Waits until all helpers have left. No loop may be running.
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  /// Calls `body(i)` for every i in [0, chunks), here and on helpers; rethrows the first exception.
  void run(std::int64_t chunks, FunctionRef<void(std::int64_t)> body);
  /// The same for a thread of an arena of oneTBB, whose threads may have nothing to do: they are asked, too.
  void run_in_arena(std::int64_t chunks, FunctionRef<void(std::int64_t)> body);

  /// From now on so many threads more are wanted elsewhere, or fewer: as many helpers leave after the loop that they
  /// are in.
  void lease(int threads) { leased_ += threads; }
  void set_spin(double microseconds) { spin_ = microseconds * 1000; }
  /// Whether any team of this process has had helpers.
  static bool has_summoned() { return has_summoned_.load(std::memory_order_relaxed); }

 private:
  class Loop;

  /// A place for one loop. A helper counts itself in before it looks at the loop, and out when it has left it; the
  /// counters are apart, so that helpers do not wait for each other's cache lines.
  struct alignas(64) Counter {
    std::atomic<int> helpers{0};
  };
  struct alignas(64) Entry {
    std::atomic<Loop*> loop{nullptr};
    std::unique_ptr<Counter[]> inside;
  };
  static constexpr int kEntries = 64;  // bits of a mask
  static constexpr int kHelpersPerCounter = 8;

  void share(Loop& loop, FunctionRef<void()> work);
  int most_helpers() const { return width_ - 1 - leased_.load(std::memory_order_relaxed); }
  void close(std::uint64_t bit);
  void summon(int helpers) noexcept;
  void start_helpers(int count) noexcept;
  void dismiss();
  void help();
  bool leave();
  bool watch() const;
  bool help_with(std::uint64_t open, const Loop* outer);
  void wait_for_end(const Entry& entry, const Loop& loop);
  bool has_helpers(const Entry& entry) const;
  int take_entry();

  const int width_;  // threads of a loop
  const int counters_;
  tbb::task_arena arena_;
  const BoundWorkers bound_{arena_, [this] { dismiss(); }};
  std::vector<Entry> entries_;
  std::atomic<double> spin_;  // ns
  std::atomic<int> leased_{0};
  alignas(64) std::atomic<std::uint64_t> open_{0};  // entries with a loop that may have chunks left
  alignas(64) std::atomic<std::uint64_t> taken_{0};
  alignas(64) std::atomic<int> helpers_{0};  // that were summoned and have not left
  std::atomic<int> tasks_{0};                // of helpers, until they no longer touch the team
  static std::atomic<bool> has_summoned_;
};

}  // namespace backflow
