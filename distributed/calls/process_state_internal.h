#pragma once

#include <cstdint>

namespace backflow::distributed {

enum class ProcessState { Running, Stopped, Gone };

/// Of a process of this machine: Stopped after SIGSTOP or in a debugger, Gone when it has ended. Running when the
/// system does not tell.
ProcessState process_state(std::int32_t process);

}  // namespace backflow::distributed
