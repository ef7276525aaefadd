// A step's graph in Graphviz's language and as JSON.
#include <sstream>

#include <nlohmann/json.hpp>

#include <backflow/train/step_graph.h>

namespace backflow::train {
namespace {

using Json = nlohmann::ordered_json;
using Kind = StepGraph::Forward::Kind;

constexpr const char* kCritical = "color=red, penwidth=2";

/// A label of Graphviz, one part a line; empty parts are left out.
std::string label(std::initializer_list<std::string> parts) {
  std::string text = "label=\"";
  for (const std::string& part : parts) {
    if (part.empty()) {
      continue;
    }
    text += text.ends_with('"') ? "" : "\\n";
    for (const char c : part) {
      text += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
  }
  return text + '"';
}

std::string microseconds(double nanoseconds) {
  std::ostringstream text;
  text.setf(std::ios::fixed);
  text.precision(1);
  text << nanoseconds / 1e3 << " us";
  return text.str();
}

std::string ratio(double x) {
  std::ostringstream text;
  text.precision(3);
  text << x;
  return text.str();
}

void draw_forward(std::ostream& out, const StepGraph& graph) {
  out << "  subgraph cluster_forward {\n    " << label({"forward"}) << "\n";
  for (std::size_t i = 0; i < graph.forward.size(); ++i) {
    const StepGraph::Forward& node = graph.forward[i];
    out << "    f" << i << " [" << label({node.name, node.shape})
        << (node.kind == Kind::Operator ? "" : ", shape=ellipse, style=dashed") << "]\n";
  }
  for (const auto& [from, to] : graph.forward_edges) {
    out << "    f" << from << " -> f" << to << "\n";
  }
  out << "  }\n";
}

void draw_backward(std::ostream& out, const StepGraph& graph) {
  out << "  subgraph cluster_backward {\n    "
      << label({concat("backward: work ", microseconds(graph.work), ", critical path ",
                       microseconds(graph.critical_path), ", T/C ", ratio(graph.parallelism_bound()))})
      << "\n";
  for (std::size_t g = 0; g < graph.groups.size(); ++g) {
    out << "    subgraph cluster_group" << g << " {\n      style=filled; color=lightgrey; "
        << label({concat("flow node ", g, ", ", microseconds(graph.groups[g].nanoseconds))}) << "\n";
    for (const std::uint32_t i : graph.groups[g].nodes) {
      const StepGraph::Backward& node = graph.backward[i];
      out << "      b" << i << " ["
          << label({node.name, node.parameter, node.gradients, microseconds(node.nanoseconds)}) << ", style=filled"
          << ", fillcolor=white" << (node.critical ? concat(", ", kCritical) : "") << "]\n";
    }
    out << "    }\n";
  }
  for (const auto& [from, to] : graph.backward_edges) {
    const bool critical = graph.backward[from].critical && graph.backward[to].critical;
    out << "    b" << from << " -> b" << to << (critical ? concat(" [", kCritical, "]") : "") << "\n";
  }
  out << "  }\n";
}

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

std::string to_dot(const StepGraph& graph, const std::string& title) {
  std::ostringstream out;
  out << "digraph step {\n  " << label({title}) << "\n  labelloc=t\n  fontname=\"sans-serif\"\n"
      << "  node [shape=box, fontname=\"sans-serif\", fontsize=10]\n";
  draw_forward(out, graph);
  draw_backward(out, graph);
  for (std::size_t i = 0; i < graph.forward.size(); ++i) {
    if (graph.forward[i].backward) {
      out << "  f" << i << " -> b" << *graph.forward[i].backward
          << " [style=dotted, arrowhead=none, constraint=false]\n";
    }
  }
  out << "}\n";
  return out.str();
}

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
