#pragma once

namespace backflow::train {

/// From now on SIGTERM, SIGINT and SIGUSR1 (which mpirun passes on before it ends a job) ask the run to stop instead of
/// ending the process; a second one ends it.
void watch_stop_signals();

/// True once such a signal has come to this process.
bool stop_requested();

}  // namespace backflow::train
