#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

#include <backflow/distributed/calls/own_place_internal.h>
#include <backflow/distributed/environment.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/topology.h>

namespace backflow::distributed {
namespace {

struct Process {
  pid_t parent = 0;
  std::string name;
};

/// From /proc/PID/stat: "17 (mpirun) S 1 ..."; the name may hold anything, so its end is the last parenthesis.
Process look_up(pid_t process) {
  std::ifstream file(to_text("/proc/", process, "/stat"));
  std::string text;
  std::getline(file, text);
  const std::size_t begin = text.find('(');
  const std::size_t end = text.rfind(')');
  if (begin == std::string::npos || end == std::string::npos || end + 4 > text.size()) {
    return {};
  }
  return {static_cast<pid_t>(std::strtol(text.c_str() + end + 4, nullptr, 10)),
          text.substr(begin + 1, end - begin - 1)};
}

bool is_launcher(std::string_view name) {
  constexpr std::array<std::string_view, 7> kLaunchers = {"mpirun", "mpiexec", "orterun",   "orted",
                                                          "prte",   "hydra",   "slurmstepd"};
  return std::any_of(kLaunchers.begin(), kLaunchers.end(), [&](auto known) { return name.starts_with(known); });
}

}  // namespace

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

std::vector<int> launcher_cpus() {
  if (!launch_environment().launched) {
    return {};
  }
  Process process{getppid(), ""};
  for (int depth = 0; depth < 16 && process.parent > 1; ++depth) {  // scripts may stand between
    const pid_t candidate = process.parent;
    process = look_up(candidate);
    if (is_launcher(process.name)) {
      std::vector<int> cpus = cpus_of_process(candidate);
      const char* owned = std::getenv("SLURM_CPUS_ON_NODE");
      const bool is_known = owned == nullptr || cpus.size() <= std::strtoul(owned, nullptr, 10);
      return is_known ? cpus : std::vector<int>();
    }
  }
  return {};
}

}  // namespace backflow::distributed
