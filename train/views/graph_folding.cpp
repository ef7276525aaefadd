#include <backflow/train/views/graph_folding.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

namespace backflow::train {
namespace {

using Ids = std::vector<std::uint32_t>;
using Kind = StepGraph::Forward::Kind;

/// A graph whose nodes have labels, and whose edges have numbers that say which operand they are.
struct Labelled {
  struct Edge {
    std::uint32_t from;
    std::uint32_t to;
    std::uint32_t place;
  };
  std::vector<std::string> labels;
  std::vector<Edge> edges;
};

/// Numbers from 0 for what is equal.
template <class Key>
std::pair<Ids, std::uint32_t> numbered(const std::vector<Key>& keys) {
  std::map<Key, std::uint32_t> numbers;
  Ids ids;
  for (const Key& key : keys) {
    ids.push_back(numbers.emplace(key, static_cast<std::uint32_t>(numbers.size())).first->second);
  }
  return {ids, static_cast<std::uint32_t>(numbers.size())};
}

/// The coarsest classes of which every node has the same edges from and to each class (colour refinement, Weisfeiler
/// and Leman 1968).
Ids classes_of(const Labelled& graph) {
  auto [ids, count] = numbered(graph.labels);
  for (;;) {
    using Neighbour = std::tuple<bool, std::uint32_t, std::uint32_t>;  // is it behind, the operand, its class
    std::vector<std::pair<std::uint32_t, std::vector<Neighbour>>> keys(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      keys[i].first = ids[i];
    }
    for (const Labelled::Edge& edge : graph.edges) {
      keys[edge.from].second.emplace_back(true, edge.place, ids[edge.to]);
      keys[edge.to].second.emplace_back(false, edge.place, ids[edge.from]);
    }
    for (auto& key : keys) {
      std::sort(key.second.begin(), key.second.end());
    }
    auto [finer, finer_count] = numbered(keys);
    if (finer_count == count) {
      return ids;
    }
    ids = std::move(finer);
    count = finer_count;
  }
}

/// The length of the longest path that ends in each node, following edges forward or backward. Nodes of one role have
/// equal ones, and with them in the labels few rounds of refinement are left however deep a network is.
Ids depths(std::size_t size, const StepGraph::Edges& edges, bool forward) {
  std::vector<Ids> next(size);
  Ids waits(size, 0);
  for (const auto& [from, to] : edges) {
    next[forward ? from : to].push_back(forward ? to : from);
    ++waits[forward ? to : from];
  }
  Ids depth(size, 0);
  Ids ready;
  for (std::uint32_t i = 0; i < size; ++i) {
    if (waits[i] == 0) {
      ready.push_back(i);
    }
  }
  while (!ready.empty()) {
    const std::uint32_t i = ready.back();
    ready.pop_back();
    for (const std::uint32_t j : next[i]) {
      depth[j] = std::max(depth[j], depth[i] + 1);
      if (--waits[j] == 0) {
        ready.push_back(j);
      }
    }
  }
  return depth;
}

/// One half of the step: the nodes of the forward or of the backward.
class Half {
 public:
  Half(std::vector<std::string> labels, const StepGraph::Edges& edges) : labels_(std::move(labels)), edges_(edges) {
    for (std::uint32_t i = 0; i < labels_.size(); ++i) {
      blocks_.push_back({i});
      block_of_.push_back(i);
    }
  }

  /// Makes one block of additions in a row. `is_sum` by node; `alone(from, to)` says whether an edge is the only one.
  template <class Alone>
  void join_sums(const std::vector<bool>& is_sum, const Alone& alone) {
    for (const auto& [from, to] : edges_) {
      if (is_sum[from] && is_sum[to] && labels_[from] == labels_[to] && alone(from, to)) {
        join(block_of_[from], block_of_[to]);
      }
    }
    std::vector<Ids> blocks;
    for (Ids& block : blocks_) {
      if (!block.empty()) {
        std::sort(block.begin(), block.end());
        for (const std::uint32_t node : block) {
          block_of_[node] = static_cast<std::uint32_t>(blocks.size());
        }
        blocks.push_back(std::move(block));
      }
    }
    blocks_ = std::move(blocks);
  }

  std::size_t size() const { return blocks_.size(); }
  const Ids& block(std::size_t b) const { return blocks_[b]; }
  std::uint32_t block_of(std::uint32_t node) const { return block_of_[node]; }

  /// The edges between different blocks.
  StepGraph::Edges block_edges() const {
    StepGraph::Edges edges;
    for (const auto& [from, to] : edges_) {
      if (block_of_[from] != block_of_[to]) {
        edges.emplace_back(block_of_[from], block_of_[to]);
      }
    }
    return edges;
  }

  /// Adds the blocks, numbered from `first`. The place of an edge is counted at the node that has operands or their
  /// gradients: where it leads to in the forward, where it comes from in the backward.
  void add_to(Labelled& all, std::uint32_t first, bool forward, const std::vector<bool>& any_order) const {
    const StepGraph::Edges edges = block_edges();
    const Ids before = depths(size(), edges, true);
    const Ids behind = depths(size(), edges, false);
    for (std::size_t b = 0; b < size(); ++b) {
      all.labels.push_back(
          to_text(forward, '|', labels_[blocks_[b].front()], '|', blocks_[b].size(), '|', before[b], '|', behind[b]));
    }
    Ids places(labels_.size(), 0);
    for (const auto& [from, to] : edges_) {
      const std::uint32_t at = forward ? to : from;
      const std::uint32_t place = any_order[at] ? 0 : places[at]++;
      if (block_of_[from] != block_of_[to]) {
        all.edges.push_back({first + block_of_[from], first + block_of_[to], place});
      }
    }
  }

 private:
  void join(std::uint32_t a, std::uint32_t b) {
    if (a == b) {
      return;
    }
    for (const std::uint32_t node : blocks_[a]) {
      block_of_[node] = b;
    }
    blocks_[b].insert(blocks_[b].end(), blocks_[a].begin(), blocks_[a].end());
    blocks_[a].clear();
  }

  std::vector<std::string> labels_;
  const StepGraph::Edges& edges_;
  std::vector<Ids> blocks_;
  Ids block_of_;
};

Ids degrees(std::size_t size, const StepGraph::Edges& edges, bool out) {
  Ids degree(size, 0);
  for (const auto& [from, to] : edges) {
    ++degree[out ? from : to];
  }
  return degree;
}

bool starts_with_any(const std::string& name, std::initializer_list<std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(), [&](std::string_view start) { return name.starts_with(start); });
}

/// A folded half without its edges, and the class of each of its blocks.
std::vector<FoldedGraph::Node> nodes_of(const Half& half, const Ids& classes) {
  std::vector<FoldedGraph::Node> nodes(classes.empty() ? 0 : *std::max_element(classes.begin(), classes.end()) + 1);
  for (std::size_t b = 0; b < half.size(); ++b) {
    FoldedGraph::Node& node = nodes[classes[b]];
    node.in_a_row = half.block(b).size();
    node.members.insert(node.members.end(), half.block(b).begin(), half.block(b).end());
  }
  for (FoldedGraph::Node& node : nodes) {
    std::sort(node.members.begin(), node.members.end());
  }
  return nodes;
}

StepGraph::Edges edges_of(const Half& half, const Ids& classes) {
  std::set<std::pair<std::uint32_t, std::uint32_t>> edges;
  for (const auto& [from, to] : half.block_edges()) {
    edges.emplace(classes[from], classes[to]);
  }
  return {edges.begin(), edges.end()};
}

/// Hangs each leaf whose edges lead to one node alone on that node; its own is left without members.
template <class IsLeaf>
void hang_leaves(std::vector<FoldedGraph::Node>& nodes, StepGraph::Edges& edges, const IsLeaf& is_leaf) {
  Ids degree(nodes.size(), 0);
  for (const auto& [from, to] : edges) {
    ++degree[from];
    ++degree[to];
  }
  std::erase_if(edges, [&](const auto& edge) {
    for (const auto& [leaf, owner] : {edge, std::pair(edge.second, edge.first)}) {
      if (degree[leaf] == 1 && is_leaf(nodes[leaf]) && !is_leaf(nodes[owner])) {
        nodes[owner].leaves.push_back(std::move(nodes[leaf].members));
        nodes[leaf].members.clear();
        return true;
      }
    }
    return false;
  });
}

/// The classes from `first` on as numbers from 0, in the order in which they occur.
Ids part(const Ids& classes, std::size_t first, std::size_t size) {
  return numbered(std::vector<std::uint32_t>(classes.begin() + static_cast<std::ptrdiff_t>(first),
                                             classes.begin() + static_cast<std::ptrdiff_t>(first + size)))
      .first;
}

Half forward_half(const StepGraph& graph, std::vector<bool>& any_order) {
  std::vector<std::string> labels;
  std::vector<bool> is_sum;
  for (const StepGraph::Forward& node : graph.forward) {
    const std::string name =
        node.kind == Kind::Parameter ? "" : node.name;  // those of equal layers have different ones
    labels.push_back(to_text(static_cast<int>(node.kind), name, ' ', node.shape));
    is_sum.push_back(node.kind == Kind::Operator && (node.name == "add" || node.name == "add_"));
    any_order.push_back(is_sum.back() || starts_with_any(node.name, {"cat", "concat"}));
  }
  Half half(std::move(labels), graph.forward_edges);
  const Ids uses = degrees(graph.forward.size(), graph.forward_edges, true);
  half.join_sums(is_sum, [&](std::uint32_t from, std::uint32_t) { return uses[from] == 1; });
  return half;
}

Half backward_half(const StepGraph& graph, std::vector<bool>& any_order) {
  std::vector<std::string> labels;
  std::vector<bool> is_sum;
  for (const StepGraph::Backward& node : graph.backward) {
    labels.push_back(to_text(node.name, ' ', node.gradients, ' ', node.results));
    is_sum.push_back(node.name == "AddBackward0");
    any_order.push_back(is_sum.back() || node.name == "CatBackward0");
  }
  Half half(std::move(labels), graph.backward_edges);
  const Ids sources = degrees(graph.backward.size(), graph.backward_edges, false);
  half.join_sums(is_sum, [&](std::uint32_t, std::uint32_t to) { return sources[to] == 1; });
  return half;
}

}  // namespace

FoldedGraph fold(const StepGraph& graph) {
  std::vector<bool> any_order_forward;
  std::vector<bool> any_order_backward;
  const Half forward = forward_half(graph, any_order_forward);
  const Half backward = backward_half(graph, any_order_backward);
  const auto first = static_cast<std::uint32_t>(forward.size());
  Labelled all;
  forward.add_to(all, 0, true, any_order_forward);
  backward.add_to(all, first, false, any_order_backward);
  constexpr std::uint32_t kLink = ~std::uint32_t{0};
  for (std::uint32_t i = 0; i < graph.forward.size(); ++i) {
    if (const auto node = graph.forward[i].backward) {
      all.edges.push_back({forward.block_of(i), first + backward.block_of(*node), kLink});
    }
  }
  const Ids classes = classes_of(all);
  const Ids forward_classes = part(classes, 0, forward.size());
  const Ids backward_classes = part(classes, first, backward.size());

  FoldedGraph folded{.forward = nodes_of(forward, forward_classes),
                     .backward = nodes_of(backward, backward_classes),
                     .forward_edges = edges_of(forward, forward_classes),
                     .backward_edges = edges_of(backward, backward_classes),
                     .links = {}};
  std::set<std::pair<std::uint32_t, std::uint32_t>> links;
  for (std::uint32_t i = 0; i < graph.forward.size(); ++i) {
    if (const auto node = graph.forward[i].backward) {
      links.emplace(forward_classes[forward.block_of(i)], backward_classes[backward.block_of(*node)]);
    }
  }
  folded.links.assign(links.begin(), links.end());
  hang_leaves(folded.forward, folded.forward_edges,
              [&](const auto& node) { return graph.forward[node.members.front()].kind == Kind::Parameter; });
  hang_leaves(folded.backward, folded.backward_edges,
              [&](const auto& node) { return !graph.backward[node.members.front()].parameter.empty(); });
  return folded;
}

}  // namespace backflow::train
