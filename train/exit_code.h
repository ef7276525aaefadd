#pragma once

namespace backflow::train {

/// The program's exit codes.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,      ///< while running
  kWrongUsage = 2,  ///< the command line or the configuration is wrong; nothing has been computed
  kStopped = 3,     ///< by a signal, after writing a dump
};

}  // namespace backflow::train
