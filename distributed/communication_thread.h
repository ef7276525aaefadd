#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include <backflow/runtime/engine/completion.h>

namespace backflow::distributed {

/// The thread that makes all MPI calls. It runs jobs one at a time, in the order of post(), and sleeps when there are
/// none. It knows nothing of MPI itself. Unless they say otherwise, member functions are thread-safe.
class CommunicationThread {
 public:
  using Job = std::function<void()>;

  /// Starts the thread. `kill` ends the job of all ranks when abort() is called; it runs on the thread too.
  explicit CommunicationThread(std::function<void(int)> kill);
  /// Requires that close() has returned true: the ranks end together.
  ~CommunicationThread() = default;

  /// Queues `job`. `done` is called on the thread with the exception of the job, if any, or with Cancelled if the job
  /// was dropped.
  void post(Job job, Completion done);
  /// Runs `job` on the thread, waits for it and rethrows its exception. Throws Error when called on the thread itself,
  /// which would deadlock.
  void run(const Job& job);
  /// For jobs that wait: throws Cancelled when the jobs are being dropped; does not return when abort() has been
  /// called.
  void check_still_wanted();
  /// For jobs: polls `test` until it returns true, with sleeps in between. MPI makes progress only inside its calls.
  /// Throws Cancelled when the jobs are being dropped.
  void wait_until(const std::function<bool()>& test);
  /// Runs `last` and ends the thread. Returns false, and the thread goes on, if `last` throws or if jobs were still
  /// unfinished. Unfinished jobs are dropped: the other ranks will not take part in them.
  bool close(const Job& last);
  /// Calls `kill` on the thread, in the middle of a job if need be. If even that hangs, ends this process.
  [[noreturn]] void abort(int exit_code) noexcept;

 private:
  struct Entry {
    Job job;
    Completion done;
  };

  void loop();
  bool next(Entry& entry);
  void run_one(Entry& entry);
  void kill_if_asked();

  static constexpr int kNoAbort = -1;

  std::function<void(int)> kill_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Entry> queue_;
  bool busy_ = false;
  bool ended_ = false;
  std::atomic<bool> drop_{false};
  std::atomic<int> abort_code_{kNoAbort};
  std::thread thread_;
};

/// Flushes C and C++ standard streams before an exit that does not.
void flush_streams() noexcept;

}  // namespace backflow::distributed
