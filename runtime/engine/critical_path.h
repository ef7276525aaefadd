#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <backflow/runtime/engine/plan.h>
#include <backflow/runtime/engine/work_graph.h>

namespace backflow {

/// What bounds the time of a backward pass. While each node and task runs on one thread, `work / length` is the largest
/// speedup that any number of threads can give (Brent 1974).
struct CriticalPath {
  double work = 0;                   ///< the times of all nodes and tasks together
  double length = 0;                 ///< of the longest path over the edges
  std::vector<std::uint32_t> nodes;  ///< that path, in the order in which its nodes and tasks run
};

/// `times`: of each node of the plan, in any unit, which is that of the result. Throws Error unless there is one for
/// each.
CriticalPath critical_path(const Plan& plan, std::span<const float> times);
/// The same of a pass with its tasks: a time for each item.
CriticalPath critical_path(const WorkGraph& graph, std::span<const float> times);

}  // namespace backflow
