#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include <sched.h>
#include <unistd.h>

#include <backflow/distributed/environment.h>
#include <backflow/runtime/base/error.h>
#include <backflow/train/run/places.h>

namespace backflow::train {
namespace {

/// The cores that a process may use; none when it does not say.
std::vector<int> cores_of(pid_t process) {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(process, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) {
        cores.push_back(i);
      }
    }
  }
  return cores;
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

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

/// The cores of the daemon that started this rank, which binds its ranks but not itself. None without one, or when
/// Slurm says that fewer of the node are the job's and does not say which.
std::vector<int> launcher_cores() {
  if (!distributed::launch_environment().launched) {
    return {};
  }
  Process process{getppid(), ""};
  for (int depth = 0; depth < 16 && process.parent > 1; ++depth) {  // scripts may stand between
    const pid_t candidate = process.parent;
    process = look_up(candidate);
    if (is_launcher(process.name)) {
      std::vector<int> cores = cores_of(candidate);
      const char* owned = std::getenv("SLURM_CPUS_ON_NODE");
      const bool is_known = owned == nullptr || cores.size() <= std::strtoul(owned, nullptr, 10);
      return is_known ? cores : std::vector<int>();
    }
  }
  return {};
}

}  // namespace

RankPlace own_place() {
  return {
      .host = host_name(), .cores = cores_of(0), .job_cores = launcher_cores(), .threads = 1, .instruction_sets = ""};
}

}  // namespace backflow::train
