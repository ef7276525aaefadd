#include <backflow/runtime/engine/critical_path.h>

#include <algorithm>

#include <backflow/runtime/base/error.h>

namespace backflow {
namespace {

constexpr std::uint32_t kNone = ~std::uint32_t{0};

/// `for_successors(i, f)` calls f for each item that waits for item i, all of larger numbers.
template <class ForSuccessors>
CriticalPath longest_path(std::span<const float> times, const ForSuccessors& for_successors) {
  std::vector<double> end(times.size(), 0);  // of the longest path to here; until its turn, to where the item starts
  std::vector<std::uint32_t> before(times.size(), kNone);
  CriticalPath path;
  std::uint32_t last = kNone;
  for (std::uint32_t i = 0; i < times.size(); ++i) {
    path.work += times[i];
    end[i] += times[i];
    if (last == kNone || end[i] > path.length) {
      path.length = end[i];
      last = i;
    }
    for_successors(i, [&](std::uint32_t next) {
      if (end[i] > end[next]) {
        end[next] = end[i];
        before[next] = i;
      }
    });
  }
  for (std::uint32_t i = last; i != kNone; i = before[i]) {
    path.nodes.push_back(i);
  }
  std::reverse(path.nodes.begin(), path.nodes.end());
  return path;
}

void check_times(std::size_t times, std::size_t size, const char* what) {
  check(times == size, "critical_path: ", times, " times for ", size, what, ": need one for each");
}

}  // namespace

CriticalPath critical_path(const Plan& plan, std::span<const float> times) {
  check_times(times.size(), plan.nodes().size(), " nodes");
  return longest_path(times, [&](std::uint32_t i, const auto& f) {
    for (const std::uint32_t target : plan.targets(plan.nodes()[i])) {
      if (target != kNoTarget) {
        f(plan.inputs()[target].node);
      }
    }
  });
}

CriticalPath critical_path(const WorkGraph& graph, std::span<const float> times) {
  check_times(times.size(), graph.size(), " items");
  return longest_path(times, [&](std::uint32_t i, const auto& f) {
    for (const std::uint32_t next : graph.successors(i)) {
      f(next);
    }
  });
}

}  // namespace backflow
