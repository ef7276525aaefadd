#pragma once

#include <map>
#include <string>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/train/run/places.h>

namespace backflow::train {

/// The versions of Backflow and of the libraries that run: {"backflow", "0.1.0"}, {"onednn", "2.6.3"}, ...
std::map<std::string, std::string> versions();

/// What a run needs to know of where it runs.
struct Platform {
  RankPlace place;                    ///< of this rank
  std::vector<std::string> nodes;     ///< a line for each: ranks, threads, binding
  std::vector<std::string> warnings;  ///< cores that are idle or have too many threads, settings without effect
};

/// Places this rank (see distributed/rank_place.h), and describes the nodes. Collective.
Platform set_up_platform(distributed::Communicator& world, const RankRequest& request);

/// What to say of OMP_NUM_THREADS, whose text is `value` or null; empty when it asks for what is done anyway.
/// `given` are the threads of --threads, 0 without it, `chosen` those that compute.
std::string openmp_note(const char* value, int given, int chosen);

/// The text of `environment.json`: versions, host, ranks, threads, instruction sets.
std::string environment_json(const distributed::Communicator& world, const Platform& platform);

}  // namespace backflow::train
