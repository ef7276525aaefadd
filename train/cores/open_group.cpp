#include <backflow/train/cores/open_group.h>

#include <algorithm>

namespace backflow::train {
namespace {

std::vector<double> remaining_of(const WorkGroup& graph) {
  std::vector<double> remaining(graph.tasks.size());
  for (std::size_t i = graph.tasks.size(); i-- > 0;) {
    double behind = 0;
    for (const std::uint32_t next : graph.successors[i]) {
      behind = std::max(behind, remaining[next]);
    }
    remaining[i] = behind + work_of(graph.tasks[i]);
  }
  return remaining;
}

}  // namespace

void OpenGroup::start(const WorkGroup& g) {
  group = &g;
  unfinished = g.tasks.size();
  if (!g.is_graph) {
    return;
  }
  remaining_ = remaining_of(g);
  missing_.assign(g.tasks.size(), 0);
  for (const auto& successors : g.successors) {
    for (const std::uint32_t next : successors) {
      ++missing_[next];
    }
  }
  for (std::size_t i = 0; i < g.tasks.size(); ++i) {
    if (missing_[i] == 0) {
      make_ready(i);
    }
  }
}

std::size_t OpenGroup::take() {
  if (!group->is_graph) {
    return next_++;
  }
  const std::ptrdiff_t task = -ready_.top().second;
  ready_.pop();
  return static_cast<std::size_t>(task);
}

void OpenGroup::finish(std::size_t task) {
  --unfinished;
  if (group->is_graph) {
    for (const std::uint32_t waiting : group->successors[task]) {
      if (--missing_[waiting] == 0) {
        make_ready(waiting);
      }
    }
  }
}

}  // namespace backflow::train
