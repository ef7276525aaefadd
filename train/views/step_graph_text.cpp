// A step's graph as JSON.
#include <nlohmann/json.hpp>

#include <backflow/train/views/step_graph.h>

namespace backflow::train {
namespace {

using Json = nlohmann::ordered_json;
using Kind = StepGraph::Forward::Kind;

Json edges_json(const StepGraph::Edges& edges) {
  Json list = Json::array();
  for (const auto& [from, to] : edges) {
    list.push_back({from, to});
  }
  return list;
}

Json forward_json(const StepGraph& graph) {
  constexpr const char* kKinds[] = {"input", "parameter", "operator"};
  Json nodes = Json::array();
  for (const StepGraph::Forward& node : graph.forward) {
    nodes.push_back({{"kind", kKinds[static_cast<int>(node.kind)]},
                     {"name", node.name},
                     {"shape", node.shape},
                     {"flop", node.flop},
                     {"bytes", node.bytes},
                     {"backward", node.backward ? Json(*node.backward) : Json()}});
  }
  return {{"nodes", std::move(nodes)}, {"edges", edges_json(graph.forward_edges)}};
}

Json backward_json(const StepGraph& graph) {
  Json nodes = Json::array();
  for (const StepGraph::Backward& node : graph.backward) {
    nodes.push_back({{"name", node.name},
                     {"parameter", node.parameter.empty() ? Json() : Json(node.parameter)},
                     {"gradients", node.gradients},
                     {"results", node.results},
                     {"flop", node.flop},
                     {"bytes", node.bytes},
                     {"estimated_ns", node.nanoseconds},
                     {"group", node.group},
                     {"critical", node.critical}});
  }
  return {{"nodes", std::move(nodes)}, {"edges", edges_json(graph.backward_edges)}};
}

}  // namespace

std::string to_json(const StepGraph& graph, const std::string& title) {
  Json groups = Json::array();
  for (const StepGraph::Group& group : graph.groups) {
    groups.push_back({{"nodes", group.nodes}, {"successors", group.successors}, {"estimated_ns", group.nanoseconds}});
  }
  const Json json = {{"title", title},
                     {"forward", forward_json(graph)},
                     {"backward", backward_json(graph)},
                     {"groups", std::move(groups)},
                     {"work_ns", graph.work},
                     {"critical_path_ns", graph.critical_path},
                     {"parallelism_bound", graph.parallelism_bound()}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace backflow::train
