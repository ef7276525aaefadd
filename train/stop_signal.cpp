#include <backflow/train/stop_signal.h>

#include <atomic>
#include <csignal>
#include <thread>

#include <pthread.h>

namespace backflow::train {
namespace {

std::atomic<bool> requested{false};

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGUSR1);
  return set;
}

void wait_for_signals() {
  const sigset_t set = stop_signals();
  int signal = 0;
  while (sigwait(&set, &signal) == 0) {
    if (requested.exchange(true)) {
      // The second one: let it do what it does to any process.
      std::signal(signal, SIG_DFL);
      pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
      std::raise(signal);
    }
  }
}

}  // namespace

void watch_stop_signals() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread(wait_for_signals).detach();
}

bool stop_requested() { return requested.load(std::memory_order_relaxed); }

}  // namespace backflow::train
