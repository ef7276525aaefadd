#include <backflow/runtime/engine/work_graph.h>

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>
#include <vector>

#include <backflow/runtime/engine/longest_path.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/hooks.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow {
namespace {

/// What one thread does of a task before another can help, in ns: 32 * 1024 elements of an update.
constexpr float kTaskPiece = 65'000;

/// Who waits for whom: pairs of an accumulator or a task and a task, ordered by the first.
template <class I>
using Waits = std::vector<std::pair<I, TaskIndex>>;

/// The tasks that wait for leaves which the pass reaches.
Waits<NodeIndex> leaves_of_tasks(const Plan& plan, std::span<const PassTask> tasks) {
  Waits<NodeIndex> waits;
  if (tasks.empty()) {
    return waits;
  }
  std::unordered_map<const TensorImpl*, NodeIndex> node_of;
  for (const NodeIndex i : plan.nodes().indices()) {
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(plan.nodes()[i].node)) {
      node_of.emplace(&leaf->variable().impl(), i);
    }
  }
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    for (const Tensor& x : tasks[t].leaves) {
      if (const auto it = node_of.find(&x.impl()); it != node_of.end()) {
        waits.emplace_back(it->second, TaskIndex(t));
      }
    }
  }
  std::sort(waits.begin(), waits.end());
  return waits;
}

/// The tasks that wait for earlier ones.
Waits<TaskIndex> tasks_after_tasks(std::span<const PassTask> tasks) {
  Waits<TaskIndex> waits;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    for (const TaskIndex earlier : tasks[t].after) {
      check(earlier.value() < t, "backward: task ", t, " waits for task ", earlier.value(),
            ": need one that is before it in the list");
      waits.emplace_back(earlier, TaskIndex(t));
    }
  }
  std::sort(waits.begin(), waits.end());
  return waits;
}

bool is_in_order(const Plan& plan, NodeIndex i) {
  const NodeHooks* hooks = plan.nodes()[i].node->hooks();
  return hooks != nullptr && plan.nodes()[i].runs && hooks->is_in_order();
}

/// The next node that waits for node `i` only because both keep the order of the tape, or none.
NodeIndex next_in_order(const Plan& plan, NodeIndex i) {
  if (!is_in_order(plan, i)) {
    return {};
  }
  for (NodeIndex next = i + 1; next < plan.nodes().end_index(); ++next) {
    if (is_in_order(plan, next)) {
      return next;
    }
  }
  return {};
}

}  // namespace

IndexedVector<ItemIndex, float> WorkGraph::remaining() const {
  return path_lengths<ItemIndex>(
      size(), [this](ItemIndex i) { return work[i]; }, [this](ItemIndex i, const auto& f) { for_successors(i, f); });
}

std::uint64_t WorkGraph::hash() const {
  std::uint64_t h = size();
  const auto mix = [&h](std::uint64_t value) { h = (std::rotl(h, 5) ^ value) * 0x9E3779B97F4A7C15; };
  for (const ItemIndex i : kinds.indices()) {
    mix(std::bit_cast<std::uint32_t>(work[i]) | std::uint64_t{first_edge[i]} << 32);
  }
  for (const ItemIndex edge : edges) {
    mix(edge.value());
  }
  return h;
}

WorkGraph work_of(const Plan& plan, std::span<const PassTask> tasks) {
  const ItemNumbers items(plan.nodes().size());
  WorkGraph graph;
  graph.kinds.resize(plan.nodes().size() + tasks.size(), WorkGraph::Kind::Node);
  for (auto* times : {&graph.work, &graph.alone, &graph.handover}) {
    times->reserve(graph.size());
  }
  const int threads = target_threads();
  graph.dependencies.resize(graph.size());
  graph.first_edge.reserve(graph.size() + 1);
  const auto add_edge = [&graph](ItemIndex to) {
    graph.edges.push_back(to);
    ++graph.dependencies[to];
  };
  const auto waiting = leaves_of_tasks(plan, tasks);
  auto next = waiting.begin();
  const auto after = tasks_after_tasks(tasks);
  auto next_after = after.begin();
  for (const NodeIndex i : plan.nodes().indices()) {
    graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
    const Cost& cost = plan.nodes()[i].cost();
    graph.work.push_back(cost.nanoseconds());
    graph.alone.push_back(cost.nanoseconds(threads));
    graph.handover.push_back(cost.handover());
    plan.for_successors(i, [&](NodeIndex to) { add_edge(items.of(to)); });
    if (const NodeIndex to = next_in_order(plan, i); to.is_valid()) {
      add_edge(items.of(to));
    }
    for (; next != waiting.end() && next->first == i; ++next) {
      add_edge(items.of(next->second));
    }
  }
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const PassTask& task = tasks[t];
    graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
    graph.work.push_back(task.work);
    graph.alone.push_back(task.work / std::clamp(task.work / kTaskPiece, 1.0F, static_cast<float>(threads)));
    graph.handover.push_back(0);
    graph.kinds[items.of(TaskIndex(t))] = task.start ? WorkGraph::Kind::Async : WorkGraph::Kind::Task;
    for (; next_after != after.end() && next_after->first == TaskIndex(t); ++next_after) {
      add_edge(items.of(next_after->second));
    }
  }
  graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
  return graph;
}

}  // namespace backflow
