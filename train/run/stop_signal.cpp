#include <backflow/train/run/stop_signal.h>

#include <atomic>
#include <csignal>
#include <thread>

#include <pthread.h>

namespace backflow::train {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> requested{false};

bool is_ignored(int signal) {
  struct sigaction action = {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) {
    sigaddset(&set, signal);
  }
  if (!is_ignored(SIGHUP)) {
    sigaddset(&set, SIGHUP);
  }
  return set;
}

/// Lets the signal do what it does to any process.
void end_by(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  std::signal(signal, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  std::raise(signal);
}

void wait_for_signals(const sigset_t& set) {
  Clock::time_point first;
  int signal = 0;
  while (sigwait(&set, &signal) == 0) {
    if (!requested.exchange(true)) {
      first = Clock::now();
    } else if (Clock::now() - first >= kSecondSignalAfter) {
      end_by(signal);
    }
  }
}

}  // namespace

void watch_stop_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread([set] { wait_for_signals(set); }).detach();
}

bool stop_requested() { return requested.load(std::memory_order_relaxed); }

}  // namespace backflow::train
