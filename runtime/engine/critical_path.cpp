#include <backflow/runtime/engine/critical_path.h>

#include <algorithm>
#include <numeric>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/engine/longest_path.h>

namespace backflow {
namespace {

/// `for_successors(i, f)` calls f for each item that waits for item i, all of larger numbers. Of equally long paths the
/// one whose items have the smaller numbers; what takes no time before the first item that does is left out.
template <class I, class ForSuccessors>
CriticalPath<I> path_of(const IndexedVector<I, float>& times, const ForSuccessors& for_successors) {
  const auto lengths = path_lengths<I>(
      times.size(), [&](I i) { return static_cast<double>(times[i]); }, for_successors);
  CriticalPath<I> result;
  result.work = std::accumulate(times.begin(), times.end(), 0.0);
  result.length = longest(lengths);
  I next(std::max_element(lengths.begin(), lengths.end()) - lengths.begin());
  while (result.length > 0 && next.is_valid()) {
    const I i = next;
    if (times[i] > 0 || !result.path.empty()) {
      result.path.push_back(i);
    }
    next = I();
    for_successors(i, [&](I to) {
      const bool is_better =
          !next.is_valid() || lengths[to] > lengths[next] || (lengths[to] == lengths[next] && to < next);
      next = lengths[to] > 0 && is_better ? to : next;
    });
  }
  return result;
}

void check_times(std::size_t times, std::size_t size, const char* what) {
  check(times == size, "critical_path: ", times, " times for ", size, what, ": need one for each");
}

}  // namespace

CriticalPath<NodeIndex> critical_path(const Plan& plan, const IndexedVector<NodeIndex, float>& times) {
  check_times(times.size(), plan.nodes().size(), " nodes");
  return path_of(times, [&](NodeIndex i, const auto& f) { plan.for_successors(i, f); });
}

CriticalPath<ItemIndex> critical_path(const WorkGraph& graph, const IndexedVector<ItemIndex, float>& times) {
  check_times(times.size(), graph.size(), " items");
  return path_of(times, [&](ItemIndex i, const auto& f) { graph.for_successors(i, f); });
}

}  // namespace backflow
