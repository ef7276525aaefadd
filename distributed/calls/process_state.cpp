#include <csignal>

#include <cerrno>
#include <fstream>
#include <string>

#include <backflow/distributed/calls/process_state_internal.h>

namespace backflow::distributed {

ProcessState process_state(std::int32_t process) {
  if (kill(process, 0) != 0 && errno == ESRCH) {
    return ProcessState::Gone;
  }
  std::ifstream in("/proc/" + std::to_string(process) + "/stat");
  std::string stat;
  std::getline(in, stat);
  // "4711 (its name) S ...": the name may hold anything.
  const std::size_t end = stat.rfind(") ");
  switch (end == std::string::npos ? '?' : stat[end + 2]) {
    case 'T':
    case 't':
      return ProcessState::Stopped;
    case 'Z':
    case 'X':
      return ProcessState::Gone;
    default:
      return ProcessState::Running;
  }
}

}  // namespace backflow::distributed
