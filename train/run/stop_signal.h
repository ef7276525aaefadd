#pragma once

#include <chrono>

namespace backflow::train {

/// How long after the first signal further ones mean the same: mpirun, a batch system and a terminal may each send it,
/// or one of them to the process and to its group.
inline constexpr std::chrono::milliseconds kSecondSignalAfter{1000};

/// From now on SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 (mpirun passes the last two on to its ranks) ask the run to
/// stop instead of ending the process; one that comes kSecondSignalAfter later, or after that, ends it. A SIGHUP that
/// is ignored already, as under nohup, stays so. SIGPIPE is ignored: who reads what is printed may go. So
/// is SIGXFSZ: writing a file that is larger than the process may write is an error then.
///
/// To be called before any other thread is started: the signals are blocked in all threads but one of its own, which
/// waits for them. A handler would not do: oneDNN's generated kernels use the stack pointer for heap memory, and the
/// frame that the kernel pushes for a handler corrupts what lies below it.
void watch_stop_signals();

/// True once such a signal has come to this process.
bool stop_requested();

}  // namespace backflow::train
