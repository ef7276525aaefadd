#include <backflow/runtime/engine/pass_work.h>

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow {
namespace {

using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

/// What one thread does of a task before another can help, in ns: 32 * 1024 elements of an update.
constexpr float kTaskPiece = 65'000;

/// The leaves that the pass reaches and tasks wait for: pairs of a node and a task, ordered by node.
Pairs leaves_of_tasks(const Plan& plan, std::span<const PassTask> tasks) {
  Pairs pairs;
  if (tasks.empty()) {
    return pairs;
  }
  std::unordered_map<const TensorImpl*, std::uint32_t> node_of;
  for (std::uint32_t i = 0; i < plan.nodes().size(); ++i) {
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(plan.nodes()[i].node)) {
      node_of.emplace(&leaf->variable().impl(), i);
    }
  }
  for (std::uint32_t t = 0; t < tasks.size(); ++t) {
    for (const Tensor& x : tasks[t].leaves) {
      if (const auto it = node_of.find(&x.impl()); it != node_of.end()) {
        pairs.emplace_back(it->second, t);
      }
    }
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

/// The tasks that others wait for: pairs of a task and a later one, ordered by the first.
Pairs tasks_after_tasks(std::span<const PassTask> tasks) {
  Pairs pairs;
  for (std::uint32_t t = 0; t < tasks.size(); ++t) {
    for (const std::uint32_t earlier : tasks[t].after) {
      check(earlier < t, "backward: task ", t, " waits for task ", earlier, ": need one that is before it in the list");
      pairs.emplace_back(earlier, t);
    }
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

}  // namespace

WorkGraph work_of(const Plan& plan, std::span<const PassTask> tasks) {
  const auto num_nodes = static_cast<std::uint32_t>(plan.nodes().size());
  WorkGraph graph;
  graph.kinds.resize(num_nodes + tasks.size(), WorkGraph::Kind::Node);
  for (std::vector<float>* times : {&graph.work, &graph.alone, &graph.handover}) {
    times->reserve(graph.size());
  }
  const int threads = get_num_threads();
  graph.dependencies.resize(graph.size());
  graph.first_edge.reserve(graph.size() + 1);
  const auto add_edge = [&graph](std::uint32_t to) {
    graph.edges.push_back(to);
    ++graph.dependencies[to];
  };
  const auto waiting = leaves_of_tasks(plan, tasks);
  auto next = waiting.begin();
  const auto after = tasks_after_tasks(tasks);
  auto next_after = after.begin();
  for (std::uint32_t i = 0; i < num_nodes; ++i) {
    graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
    const Cost& cost = plan.nodes()[i].node->cost();
    graph.work.push_back(cost.nanoseconds());
    graph.alone.push_back(cost.nanoseconds(threads));
    graph.handover.push_back(cost.handover());
    for (const std::uint32_t target : plan.targets(plan.nodes()[i])) {
      if (target != kNoTarget) {
        add_edge(plan.inputs()[target].node);
      }
    }
    for (; next != waiting.end() && next->first == i; ++next) {
      add_edge(num_nodes + next->second);
    }
  }
  for (std::uint32_t t = 0; t < tasks.size(); ++t) {
    graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
    graph.work.push_back(tasks[t].work);
    graph.alone.push_back(tasks[t].work / std::clamp(tasks[t].work / kTaskPiece, 1.0F, static_cast<float>(threads)));
    graph.handover.push_back(0);
    graph.kinds[num_nodes + t] = tasks[t].start ? WorkGraph::Kind::Async : WorkGraph::Kind::Task;
    for (; next_after != after.end() && next_after->first == t; ++next_after) {
      add_edge(num_nodes + next_after->second);
    }
  }
  graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
  return graph;
}

}  // namespace backflow
