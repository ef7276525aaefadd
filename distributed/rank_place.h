#pragma once

#include <string>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/runtime/threads/placement.h>

namespace backflow::distributed {

/// Where a rank runs, as every rank knows it.
struct RankPlace {
  std::string host;
  Placement placement;
  std::vector<int> job_cores;  ///< of this node, that its launcher may use: the job's; empty when that is not known
  int numa_nodes = 1;          ///< of this node
  bool is_refused = false;     ///< the system refused to bind threads or to interleave memory
  std::string instruction_sets;

  /// As one rank tells the others.
  std::string text() const;
  static RankPlace from(const std::string& text);
};

/// Makes every rank compute on its part of its node's cores. Sets the number of threads, binds them and the
/// communication thread, and interleaves memory, as place_ranks() in runtime/threads/placement.h says. Of `request`
/// the CPUs are left out: they are those that the calling thread may use. Returns the places of all ranks.
///
///   auto world = Communicator::world();
///   place_this_rank(*world);  // before anything is computed
///
/// Collective. `request` may differ between ranks. Must not be called while anything computes.
std::vector<RankPlace> place_this_rank(Communicator& world, const RankRequest& request = {});

}  // namespace backflow::distributed
