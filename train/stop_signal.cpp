#include <backflow/train/stop_signal.h>

#include <csignal>
#include <initializer_list>

namespace backflow::train {
namespace {

volatile std::sig_atomic_t requested = 0;

extern "C" void request_stop(int signal) {
  if (requested != 0) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  requested = 1;
}

}  // namespace

void watch_stop_signals() {
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    std::signal(signal, request_stop);
  }
}

bool stop_requested() { return requested != 0; }

}  // namespace backflow::train
