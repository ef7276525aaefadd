#include <backflow/runtime/critical_path.h>

#include <algorithm>

#include <backflow/runtime/error.h>

namespace backflow {

CriticalPath critical_path(const Plan& plan, std::span<const float> times) {
  const auto nodes = plan.nodes();
  check(times.size() == nodes.size(), "critical_path: ", times.size(), " times for ", nodes.size(),
        " nodes: need one for each");
  std::vector<double> end(nodes.size(), 0);  // of the longest path to here; until its turn, to where the node starts
  std::vector<std::uint32_t> before(nodes.size(), kNoTarget);
  CriticalPath path;
  std::uint32_t last = kNoTarget;
  for (std::uint32_t i = 0; i < nodes.size(); ++i) {
    path.work += times[i];
    end[i] += times[i];
    if (last == kNoTarget || end[i] > path.length) {
      path.length = end[i];
      last = i;
    }
    for (const std::uint32_t target : plan.targets(nodes[i])) {
      if (target != kNoTarget && end[i] > end[plan.inputs()[target].node]) {
        end[plan.inputs()[target].node] = end[i];
        before[plan.inputs()[target].node] = i;
      }
    }
  }
  for (std::uint32_t i = last; i != kNoTarget; i = before[i]) {
    path.nodes.push_back(i);
  }
  std::reverse(path.nodes.begin(), path.nodes.end());
  return path;
}

}  // namespace backflow
