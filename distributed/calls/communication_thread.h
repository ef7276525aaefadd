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

  /// Who runs the jobs: a thread that starts now, or whoever calls run() or progress(), one job at a time.
  enum class Runner { OwnThread, Caller };

  /// `kill` ends the job of all ranks when abort() is called; it runs on the thread too, if there is one.
  explicit CommunicationThread(std::function<void(int)> kill, Runner runner = Runner::OwnThread);
  /// Requires that close() has returned true: the ranks end together.
  ~CommunicationThread() = default;

  /// Queues `job`. `done` is called on the thread with the exception of the job, if any, or with Cancelled if the job
  /// was dropped.
  void post(Job job, Completion done);
  /// Runs `job` on the thread, waits for it and rethrows its exception. Throws Error when called by a job, which would
  /// deadlock.
  void run_on_thread(const Job& job);
  /// The same on the thread or, where let_callers_run() allows it, on this one.
  void run(const Job& job);
  /// Whether run() runs its job on the calling thread where no other job is queued or running. That saves waking two
  /// threads, some 100 us. Jobs still run one at a time and in their order. While tracing is on they all run on the
  /// thread, whose row shows them. To be called by a job.
  void let_callers_run(bool let) { callers_run_ = let; }
  /// For jobs that wait: throws Cancelled when the jobs are being dropped; does not return when abort() has been
  /// called.
  void check_still_wanted();
  Runner runner() const { return runner_; }
  /// For jobs: whether this one runs on the thread that called run(), see let_callers_run().
  bool runs_on_caller() const { return caller_ != std::thread::id(); }
  /// Without a thread: runs the queued jobs, and those that they queue.
  void progress();
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
  void check_caller() const;
  bool begin_here();
  void end_here();
  void kill_if_asked();

  static constexpr int kNoAbort = -1;

  std::function<void(int)> kill_;
  const Runner runner_;
  std::mutex running_;  ///< without a thread: held while a job runs
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Entry> queue_;
  bool busy_ = false;
  std::thread::id caller_;  ///< the thread outside of ours that runs a job now, if any
  std::atomic<bool> callers_run_{false};
  bool ended_ = false;
  std::atomic<bool> drop_{false};
  std::atomic<int> abort_code_{kNoAbort};
  std::thread thread_;
};

/// Flushes C and C++ standard streams before an exit that does not.
void flush_streams() noexcept;

}  // namespace backflow::distributed
