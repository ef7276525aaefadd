// A step's graph in Graphviz's language.
#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <backflow/train/views/graph_folding.h>
#include <backflow/train/views/step_graph.h>

namespace backflow::train {
namespace {

using Kind = StepGraph::Forward::Kind;
using Ids = std::vector<std::uint32_t>;

constexpr const char* kCritical = "color=red, penwidth=2";

/// A label of Graphviz, one part a line; empty parts are left out.
std::string label(const std::vector<std::string>& parts) {
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

std::vector<std::string> split(const std::string& name) {
  std::vector<std::string> parts;
  std::istringstream text(name);
  for (std::string part; std::getline(text, part, '.');) {
    parts.push_back(part);
  }
  return parts;
}

/// "3.*.weight" of "3.0.weight" and "3.1.weight": what they have in common, part by part.
std::string common_name(const std::vector<std::string>& names) {
  std::vector<std::string> common = split(names.front());
  for (const std::string& name : names) {
    const std::vector<std::string> parts = split(name);
    if (parts.size() != common.size()) {
      return names.front() + ", ...";
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
      common[i] = parts[i] == common[i] ? common[i] : "*";
    }
  }
  std::string text;
  for (const std::string& part : common) {
    text += (text.empty() ? "" : ".") + part;
  }
  return text;
}

/// "relu x 8", "add, 7 in a row".
std::string title_of(const FoldedGraph::Node& node, const std::string& name) {
  return to_text(name, node.in_a_row > 1 ? to_text(", ", node.in_a_row, " in a row") : "",
                 node.copies() > 1 ? to_text(" x ", node.copies()) : "");
}

class Drawing {
 public:
  Drawing(std::ostream& out, const StepGraph& graph) : out_(out), graph_(graph), folded_(fold(graph)) {}

  void draw(const std::string& title) {
    out_ << "digraph step {\n  " << label({title}) << "\n  labelloc=t\n  fontname=\"sans-serif\"\n  nodesep=0.3\n"
         << "  ranksep=0.3\n  node [shape=box, fontname=\"sans-serif\", fontsize=10]\n";
    draw_forward();
    draw_backward();
    // An operator and its node stand side by side, so that links are short and nothing lies between.
    for (const auto& [from, to] : folded_.links) {
      out_ << "  f" << from << " -> b" << to << " [style=dotted, arrowhead=none, minlen=0]\n";
    }
    out_ << "}\n";
  }

 private:
  bool is_alone(std::uint32_t forward) const;
  void draw_forward();
  std::string backward_label(const FoldedGraph::Node& node) const;
  bool is_critical(const FoldedGraph::Node& node) const;
  std::set<std::pair<std::uint32_t, std::uint32_t>> critical_edges() const;
  void draw_group(std::uint32_t group, const Ids& nodes);
  void draw_backward();

  std::ostream& out_;
  const StepGraph& graph_;
  const FoldedGraph folded_;
};

/// Whether nothing leads to it or from it, as to what counts the batches of a normalization.
bool Drawing::is_alone(std::uint32_t forward) const {
  const auto touches = [&](const auto& edge) { return edge.first == forward || edge.second == forward; };
  const auto links = [&](const auto& link) { return link.first == forward; };
  return std::none_of(folded_.forward_edges.begin(), folded_.forward_edges.end(), touches) &&
         std::none_of(folded_.links.begin(), folded_.links.end(), links);
}

void Drawing::draw_forward() {
  out_ << "  subgraph cluster_forward {\n    " << label({"forward"}) << "\n";
  for (std::uint32_t i = 0; i < folded_.forward.size(); ++i) {
    const FoldedGraph::Node& node = folded_.forward[i];
    if (node.members.empty()) {
      continue;
    }
    const StepGraph::Forward& shown = graph_.forward[node.shown()];
    if (shown.kind == Kind::Operator && is_alone(i)) {
      continue;
    }
    std::vector<std::string> lines = {title_of(node, shown.name), shown.shape};
    for (const Ids& leaf : node.leaves) {
      std::vector<std::string> names;
      for (const std::uint32_t parameter : leaf) {
        names.push_back(graph_.forward[parameter].name);
      }
      lines.push_back(to_text(common_name(names), ' ', graph_.forward[leaf.front()].shape));
    }
    out_ << "    f" << i << " [" << label(lines)
         << (shown.kind == Kind::Operator ? "" : ", shape=ellipse, style=dashed") << "]\n";
  }
  for (const auto& [from, to] : folded_.forward_edges) {
    out_ << "    f" << from << " -> f" << to << "\n";
  }
  out_ << "  }\n";
}

bool Drawing::is_critical(const FoldedGraph::Node& node) const {
  return std::any_of(node.members.begin(), node.members.end(),
                     [&](std::uint32_t member) { return graph_.backward[member].critical; });
}

std::string Drawing::backward_label(const FoldedGraph::Node& node) const {
  const StepGraph::Backward& shown = graph_.backward[node.shown()];
  double nanoseconds = shown.nanoseconds;
  std::vector<std::string> lines = {title_of(node, shown.name), shown.parameter, shown.gradients};
  for (const Ids& leaf : node.leaves) {
    std::vector<std::string> names;
    for (const std::uint32_t accumulator : leaf) {
      names.push_back(graph_.backward[accumulator].parameter);
    }
    lines.push_back("to " + common_name(names));
    nanoseconds += graph_.backward[leaf.front()].nanoseconds;
  }
  lines.push_back(microseconds(nanoseconds));
  return label(lines);
}

void Drawing::draw_group(std::uint32_t group, const Ids& nodes) {
  std::set<std::uint32_t> equal;  // the groups that are drawn as this one
  for (const std::uint32_t i : nodes) {
    for (const std::uint32_t member : folded_.backward[i].members) {
      equal.insert(graph_.backward[member].group);
    }
  }
  const bool folded =
      std::all_of(nodes.begin(), nodes.end(), [&](std::uint32_t i) { return folded_.backward[i].copies() > 1; });
  out_ << "    subgraph cluster_group" << group << " {\n      style=filled; color=lightgrey; "
       << label({to_text("flow node ", group, ", ", microseconds(graph_.groups[group].nanoseconds),
                         folded && equal.size() > 1 ? to_text(" x ", equal.size()) : "")})
       << "\n";
  for (const std::uint32_t i : nodes) {
    const FoldedGraph::Node& node = folded_.backward[i];
    out_ << "      b" << i << " [" << backward_label(node) << ", style=filled, fillcolor=white"
         << (is_critical(node) ? to_text(", ", kCritical) : "") << "]\n";
  }
  out_ << "    }\n";
}

/// The edges of the longest path, which goes through its nodes in their order.
std::set<std::pair<std::uint32_t, std::uint32_t>> Drawing::critical_edges() const {
  std::map<std::uint32_t, std::uint32_t> path;  // from places in the graph to drawn nodes
  for (std::uint32_t i = 0; i < folded_.backward.size(); ++i) {
    for (const std::uint32_t member : folded_.backward[i].members) {
      if (graph_.backward[member].critical) {
        path[member] = i;
      }
    }
  }
  std::set<std::pair<std::uint32_t, std::uint32_t>> edges;
  for (auto at = path.begin(), next = at; at != path.end() && ++next != path.end(); at = next) {
    edges.emplace(at->second, next->second);
  }
  return edges;
}

void Drawing::draw_backward() {
  out_ << "  subgraph cluster_backward {\n    "
       << label({to_text("backward: work ", microseconds(graph_.work), ", critical path ",
                         microseconds(graph_.critical_path), ", T/C ", ratio(graph_.parallelism_bound()))})
       << "\n";
  std::map<std::uint32_t, Ids> groups;
  for (std::uint32_t i = 0; i < folded_.backward.size(); ++i) {
    if (!folded_.backward[i].members.empty()) {
      groups[graph_.backward[folded_.backward[i].shown()].group].push_back(i);
    }
  }
  for (const auto& [group, nodes] : groups) {
    draw_group(group, nodes);
  }
  // From below: the backward goes up beside the forward.
  const auto critical = critical_edges();
  for (const auto& edge : folded_.backward_edges) {
    out_ << "    b" << edge.second << " -> b" << edge.first << " [dir=back"
         << (critical.count(edge) > 0 ? to_text(", ", kCritical) : "") << "]\n";
  }
  out_ << "  }\n";
}

}  // namespace

std::string to_dot(const StepGraph& graph, const std::string& title) {
  std::ostringstream out;
  Drawing(out, graph).draw(title);
  return out.str();
}

}  // namespace backflow::train
