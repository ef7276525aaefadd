#pragma once

#include <functional>
#include <string>

namespace backflow::distributed {

/// How long ranks wait for each other, and who hears of it.
struct WaitLimits {
  double timeout_s = 300;  ///< then the call throws Error, on one rank of a node at first
  double warn_s = 10;      ///< then one rank of a node says whom it waits for
  /// Receives "waiting for rank 1 ..."; a warning of the process (runtime/base/warning.h) unless set. Called on the
  /// communication thread; must not wait for the communicator.
  std::function<void(const std::string&)> warn;
  /// Whether this process has been asked to stop, as by a signal: then a wait of warn_s, or for a rank that cannot
  /// come, ends with Error. Called on the communication thread.
  std::function<bool()> stop_requested;
};

}  // namespace backflow::distributed
