#pragma once

#include <vector>

#include <backflow/runtime/engine/plan.h>
#include <backflow/runtime/engine/work_graph.h>

namespace backflow {

/// What bounds the time of a backward pass. While each node and task runs on one thread, `work / length` is the largest
/// speedup that any number of threads can give (Brent 1974).
template <class I>
struct CriticalPath {
  double work = 0;      ///< the times of all nodes and tasks together
  double length = 0;    ///< of the longest path over the edges
  std::vector<I> path;  ///< that path, in the order in which its nodes and tasks run
};

/// `times`: of each node of the plan, in any unit, which is that of the result. Throws Error unless there is one for
/// each.
CriticalPath<NodeIndex> critical_path(const Plan& plan, const IndexedVector<NodeIndex, float>& times);
/// The same of a pass with its tasks: a time for each item.
CriticalPath<ItemIndex> critical_path(const WorkGraph& graph, const IndexedVector<ItemIndex, float>& times);

}  // namespace backflow
