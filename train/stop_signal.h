#pragma once

namespace backflow::train {

/// From now on SIGTERM, SIGINT and SIGUSR1 (which mpirun passes on before it ends a job) ask the run to stop instead of
/// ending the process; a second one ends it. To be called before any other thread is started: the signals are blocked
/// in all threads but one of its own, which waits for them. A handler would not do: oneDNN's generated kernels use the
/// stack pointer for heap memory, and the frame that the kernel pushes for a handler corrupts what lies below it.
void watch_stop_signals();

/// True once such a signal has come to this process.
bool stop_requested();

}  // namespace backflow::train
