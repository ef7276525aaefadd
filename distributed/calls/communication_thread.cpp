#include <backflow/distributed/calls/communication_thread.h>

#include <pthread.h>
#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <utility>

#include <backflow/distributed/calls/backoff.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::distributed {
namespace {

using Seconds = std::chrono::seconds;

constexpr Seconds kPatience{5};  ///< for MPI_Abort to end this process

/// Blocks the signals that a program handles, so that they reach its own threads; a new thread inherits the mask.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t set;
    sigfillset(&set);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
      sigdelset(&set, fault);
    }
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

void prepare_this_thread() {
  trace::name_thread("communication");
#ifdef __linux__
  pthread_setname_np(pthread_self(), "backflow-mpi");
  prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);  // ns; by default each of our short sleeps would last 50 us longer
#endif
}

}  // namespace

void flush_streams() noexcept {
  try {
    std::cout.flush();
    std::cerr.flush();
    std::clog.flush();
  } catch (...) {  // a stream that throws has nothing to tell a process that ends
  }
  std::fflush(nullptr);
}

CommunicationThread::CommunicationThread(std::function<void(int)> kill, Runner runner)
    : kill_(std::move(kill)), runner_(runner) {
  if (runner_ == Runner::OwnThread) {
    const BlockedSignals blocked;
    thread_ = std::thread([this] { loop(); });
  }
}

void CommunicationThread::loop() {
  prepare_this_thread();
  Entry entry;
  while (next(entry)) {
    run_one(entry);
    entry = {};  // what it holds is let go now, not when the next one comes
  }
}

bool CommunicationThread::next(Entry& entry) {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return (!busy_ && (!queue_.empty() || ended_)) || abort_code_ != kNoAbort; });
  lock.unlock();
  kill_if_asked();
  lock.lock();
  if (queue_.empty()) {
    return !ended_;
  }
  entry = std::move(queue_.front());
  queue_.pop_front();
  busy_ = true;
  return true;
}

void CommunicationThread::run_one(Entry& entry) {
  std::exception_ptr error;
  try {
    if (drop_) {
      throw Cancelled("communicator: dropped: this rank ended before the call was made");
    }
    if (entry.job) {
      entry.job();
    }
  } catch (...) {
    error = std::current_exception();
  }
  {
    const std::lock_guard lock(mutex_);
    busy_ = false;  // before the completion: who waits for it may close() at once
  }
  entry.done(std::move(error));
}

void CommunicationThread::post(Job job, Completion done) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(job), std::move(done)});
  }
  wake_.notify_all();
}

void CommunicationThread::run(const Job& job) {
  if (!begin_here()) {
    run_on_thread(job);
    return;
  }
  const struct Turn {
    CommunicationThread& thread;
    ~Turn() { thread.end_here(); }
  } turn{*this};
  job();
}

/// Takes the turn for this thread, if it may have it at once.
bool CommunicationThread::begin_here() {
  const std::lock_guard lock(mutex_);
  check_caller();
  if (!callers_run_ || trace::is_on() || busy_ || !queue_.empty() || ended_ || drop_ || abort_code_ != kNoAbort) {
    return false;
  }
  busy_ = true;
  caller_ = std::this_thread::get_id();
  return true;
}

void CommunicationThread::end_here() {
  bool is_needed = false;
  {
    const std::lock_guard lock(mutex_);
    busy_ = false;
    caller_ = {};
    is_needed = !queue_.empty() || ended_ || abort_code_ != kNoAbort;
  }
  if (is_needed) {
    wake_.notify_all();
  }
}

/// With the mutex held.
void CommunicationThread::check_caller() const {
  const std::thread::id self = std::this_thread::get_id();
  check(self != thread_.get_id() && self != caller_,
        "communicator: called from its own thread, which would wait for itself: need another thread");
}

void CommunicationThread::run_on_thread(const Job& job) {
  {
    const std::lock_guard lock(mutex_);
    check_caller();
  }
  start_and_wait([&](Completion done) {
    post(job, std::move(done));
    progress();
  });
}

void CommunicationThread::progress() {
  if (runner_ == Runner::OwnThread) {
    return;
  }
  const std::lock_guard one_at_a_time(running_);
  for (;;) {
    Entry entry;
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) {
        return;
      }
      entry = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
    }
    run_one(entry);
  }
}

void CommunicationThread::wait_until(const std::function<bool()>& test) {
  Backoff backoff;
  while (!test()) {
    check_still_wanted();
    backoff.pause();
  }
}

void CommunicationThread::check_still_wanted() {
  kill_if_asked();
  if (drop_) {
    throw Cancelled("communicator: dropped: this rank ended while it waited for the others");
  }
}

bool CommunicationThread::close(const Job& last) {
  {
    const std::lock_guard lock(mutex_);
    drop_ = busy_ || !queue_.empty();
  }
  try {
    run_on_thread(last);  // itself dropped after the others, if there were others
  } catch (...) {
    return false;
  }
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
  return true;
}

void CommunicationThread::kill_if_asked() {
  if (abort_code_ != kNoAbort) {
    kill_(abort_code_);
    std::_Exit(abort_code_);
  }
}

void CommunicationThread::abort(int exit_code) noexcept {
  flush_streams();
  int none = kNoAbort;
  const bool first = abort_code_.compare_exchange_strong(none, exit_code);
  if (runner_ == Runner::Caller || std::this_thread::get_id() == thread_.get_id()) {
    if (first) {
      kill_(exit_code);
    }
    std::_Exit(exit_code);
  }
  {
    const std::lock_guard lock(mutex_);  // so that the thread is either before its check or asleep
  }
  wake_.notify_all();
  std::this_thread::sleep_for(kPatience);
  std::_Exit(exit_code);
}

}  // namespace backflow::distributed
