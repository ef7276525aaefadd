#pragma once

#include <string>
#include <vector>

namespace backflow::distributed {

std::string host_name();

/// The CPUs of the daemon that started this rank, which binds its ranks but not itself. None without one, or when Slurm
/// says that fewer of the node are the job's and does not say which.
std::vector<int> launcher_cpus();

}  // namespace backflow::distributed
