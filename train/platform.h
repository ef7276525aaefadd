#pragma once

#include <map>
#include <string>

#include <backflow/distributed/communicator.h>

namespace backflow::train {

/// The versions of Backflow and of the libraries that run: {"backflow", "0.1.0"}, {"onednn", "2.6.3"}, ...
std::map<std::string, std::string> versions();

/// The cores that this process may use, as "0-3,8".
std::string allowed_cores();

/// What a run needs to know of where it runs.
struct Platform {
  std::string host;
  std::string cores;    ///< that this rank may use
  int threads = 1;      ///< that this rank computes with
  std::string summary;  ///< a line for each node: ranks, threads, binding, instruction sets, for rank 0 to print
  std::string warning;  ///< not empty when ranks share cores that do not suffice for all their threads
};

/// Sets the number of computing threads, to `threads` or, when that is 0, to this rank's part of the cores that it may
/// use, and describes the nodes. Collective.
Platform set_up_platform(distributed::Communicator& world, int threads);

/// The text of `environment.json`: versions, host, ranks, threads, instruction sets.
std::string environment_json(const distributed::Communicator& world, const Platform& platform);

}  // namespace backflow::train
