#include <backflow/runtime/engine/plan.h>

#include <algorithm>
#include <atomic>
#include <unordered_map>
#include <utility>

namespace backflow {
namespace {

std::atomic<std::uint32_t> last_plan_id{0};

/// Ids are never 0, which marks a node that no plan is being built over.
std::uint32_t next_plan_id() {
  std::uint32_t id = 0;
  while (id == 0) {
    id = last_plan_id.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  return id;
}

}  // namespace

namespace {

/// A node that a walk from the roots has found.
struct Found {
  Node* node;
  std::uint64_t sequence_nr;
  std::uint32_t first_edge;  // in Scratch::edges
  std::uint32_t dependencies;
  std::uint32_t position;  // in the plan, kNoTarget when not part of it
  bool leads_to_wanted;
  bool captured;
};

/// What building a plan needs meanwhile, kept from one plan of the thread to the next.
struct Scratch {
  std::vector<Found> found;
  std::vector<std::uint32_t> edges;  // where each edge of each node that was found leads, as an index into `found`
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> ready;

  void clear() {
    constexpr std::size_t kKept = 1 << 16;  // elements
    for (auto* list : {&edges, &order, &ready}) {
      list->clear();
      if (list->capacity() > kKept) {
        list->shrink_to_fit();
      }
    }
    found.clear();
    if (found.capacity() > kKept) {
      found.shrink_to_fit();
    }
  }
};

Scratch& scratch_of_thread() {
  static thread_local Scratch scratch;
  return scratch;
}

}  // namespace

/// Builds a plan in four walks, none of them recursive: find the nodes, order them, drop those that lead to nothing
/// wanted, number what is left. Only the first looks at the tape itself.
class PlanBuilder {
 public:
  PlanBuilder(Plan& plan, std::span<const Edge> roots, const Wanted& wanted)
      : plan_(plan), roots_(roots), wanted_(wanted), id_(next_plan_id()), scratch_(scratch_of_thread()) {}

  void build() {
    find_nodes();
    order_nodes();
    mark_needed();
    number_nodes();
    number_edges();
    for (const Found& f : scratch_.found) {
      release_stamp(*f.node);
    }
    scratch_.clear();
  }

 private:
  /// The index in `found` of a node, or kNoTarget. The index is stamped on the node itself, which costs one
  /// uncontended atomic; when another thread is building a plan over the same node, a map serves instead.
  std::uint32_t index_of(const Node& node) const {
    const std::uint64_t stamp = node.stamp_.load(std::memory_order_relaxed);
    if (stamp >> 32 == id_) {
      return static_cast<std::uint32_t>(stamp);
    }
    if (overflow_.empty()) {
      return kNoTarget;
    }
    const auto it = overflow_.find(&node);
    return it == overflow_.end() ? kNoTarget : it->second;
  }

  std::uint32_t find_or_add(Node& node) {
    std::uint32_t index = index_of(node);
    if (index == kNoTarget) {
      index = static_cast<std::uint32_t>(scratch_.found.size());
      scratch_.found.push_back({&node, node.sequence_nr(), 0, 0, kNoTarget, wanted_.everything(), false});
      std::uint64_t free = 0;
      if (!node.stamp_.compare_exchange_strong(free, std::uint64_t{id_} << 32 | index, std::memory_order_relaxed)) {
        overflow_.emplace(&node, index);
      }
    }
    return index;
  }

  void release_stamp(Node& node) const {
    if (node.stamp_.load(std::memory_order_relaxed) >> 32 == id_) {
      node.stamp_.store(0, std::memory_order_relaxed);
    }
  }

  std::span<const std::uint32_t> edges_of(const Found& f) const {
    return {scratch_.edges.data() + f.first_edge, f.node->next_edges().size()};
  }

  void find_nodes() {
    for (const Edge& root : roots_) {
      if (root.function) {
        find_or_add(*root.function);
      }
    }
    // `found` is the queue of the walk: everything behind `next` still has to be looked at.
    // NOLINTNEXTLINE(modernize-loop-convert): `found` grows meanwhile
    for (std::size_t next = 0; next < scratch_.found.size(); ++next) {
      Node& node = *scratch_.found[next].node;
      scratch_.found[next].first_edge = static_cast<std::uint32_t>(scratch_.edges.size());
      for (const Edge& edge : node.next_edges()) {
        const std::uint32_t index = edge.function ? find_or_add(*edge.function) : kNoTarget;
        scratch_.edges.push_back(index);
        if (index != kNoTarget) {
          ++scratch_.found[index].dependencies;
        }
      }
    }
  }

  bool is_newer(std::uint32_t a, std::uint32_t b) const {
    const std::uint64_t sa = scratch_.found[a].sequence_nr;
    const std::uint64_t sb = scratch_.found[b].sequence_nr;
    return sa != sb ? sa > sb : a < b;
  }

  /// Kahn's algorithm, the newest ready node first: `newest`, then the heap `ready`. Most nodes make just one other
  /// ready, which never sees the heap.
  void order_nodes() {
    const auto older = [this](std::uint32_t a, std::uint32_t b) { return is_newer(b, a); };
    std::vector<std::uint32_t>& ready = scratch_.ready;
    std::uint32_t newest = kNoTarget;
    const auto add = [&](std::uint32_t i) {
      if (newest == kNoTarget) {
        newest = i;
        return;
      }
      ready.push_back(is_newer(i, newest) ? std::exchange(newest, i) : i);
      std::push_heap(ready.begin(), ready.end(), older);
    };
    for (std::uint32_t i = 0; i < scratch_.found.size(); ++i) {
      if (scratch_.found[i].dependencies == 0) {
        add(i);
      }
    }
    scratch_.order.reserve(scratch_.found.size());
    while (newest != kNoTarget || !ready.empty()) {
      std::uint32_t i = newest;
      if (i == kNoTarget || (!ready.empty() && is_newer(ready.front(), i))) {
        std::pop_heap(ready.begin(), ready.end(), older);
        i = std::exchange(ready.back(), newest);
        if (newest == kNoTarget) {
          ready.pop_back();
        } else {
          std::push_heap(ready.begin(), ready.end(), older);
        }
      }
      newest = kNoTarget;
      scratch_.order.push_back(i);
      for (const std::uint32_t next : edges_of(scratch_.found[i])) {
        if (next != kNoTarget && --scratch_.found[next].dependencies == 0) {
          add(next);
        }
      }
    }
  }

  void mark_needed() {
    if (wanted_.everything()) {
      return;
    }
    for (const Edge& edge : wanted_.captured) {
      const std::uint32_t i = edge.function ? index_of(*edge.function) : kNoTarget;
      if (i != kNoTarget) {
        scratch_.found[i].captured = true;
      }
    }
    for (const Edge& edge : wanted_.applied) {
      const std::uint32_t i = index_of(*edge.function);
      if (i != kNoTarget) {
        scratch_.found[i].leads_to_wanted = true;
      }
    }
    // NOLINTNEXTLINE(modernize-loop-convert): clang 14 can't read libstdc++'s reverse views
    for (auto it = scratch_.order.rbegin(); it != scratch_.order.rend(); ++it) {
      Found& f = scratch_.found[*it];
      for (const std::uint32_t next : edges_of(f)) {
        if (next != kNoTarget) {
          const Found& to = scratch_.found[next];
          f.leads_to_wanted = f.leads_to_wanted || to.leads_to_wanted || to.captured;
        }
      }
    }
  }

  void number_nodes() {
    plan_.nodes_.reserve(scratch_.order.size());
    std::uint32_t inputs = 0;
    std::uint32_t edges = 0;
    for (const std::uint32_t i : scratch_.order) {
      Found& f = scratch_.found[i];
      if (f.leads_to_wanted || f.captured) {
        f.position = static_cast<std::uint32_t>(plan_.nodes_.size());
        plan_.nodes_.push_back({.node = f.node, .first_input = inputs, .first_edge = edges, .runs = f.leads_to_wanted});
        inputs += f.node->num_inputs();
        edges += f.node->num_outputs();
      }
    }
    plan_.inputs_.resize(inputs);
    plan_.targets_.resize(edges, kNoTarget);
    plan_.places_.resize(edges);
    for (std::uint32_t w = 0; w < wanted_.captured.size(); ++w) {
      const Edge& edge = wanted_.captured[w];
      const std::uint32_t i = edge.function ? index_of(*edge.function) : kNoTarget;
      if (i != kNoTarget && scratch_.found[i].position != kNoTarget) {
        plan_.inputs_[input_of(scratch_.found[i], edge)].capture = w;
      }
    }
  }

  std::uint32_t input_of(const Found& f, const Edge& edge) const {
    return plan_.nodes_[f.position].first_input + edge.input_nr;
  }

  void number_edges() {
    std::uint32_t position = 0;
    for (const PlanNode& n : plan_.nodes_) {
      for (PlanInput& input : std::span(plan_.inputs_).subspan(n.first_input, n.node->num_inputs())) {
        input.node = position;
      }
      ++position;
    }
    plan_.root_targets_.reserve(roots_.size());
    plan_.root_places_.reserve(roots_.size());
    for (const Edge& root : roots_) {
      const std::uint32_t i = root.function ? index_of(*root.function) : kNoTarget;
      const bool in_plan = i != kNoTarget && scratch_.found[i].position != kNoTarget;
      const std::uint32_t target = in_plan ? input_of(scratch_.found[i], root) : kNoTarget;
      plan_.root_targets_.push_back(target);
      plan_.root_places_.push_back(in_plan ? plan_.inputs_[target].arrivals++ : 0);
    }
    for (const std::uint32_t i : scratch_.order) {
      const Found& f = scratch_.found[i];
      if (f.position == kNoTarget || !plan_.nodes_[f.position].runs) {
        continue;
      }
      const std::span<const Edge> edges = f.node->next_edges();
      for (std::uint32_t e = 0; e < edges.size(); ++e) {
        const std::uint32_t next = edges_of(f)[e];
        if (next != kNoTarget && scratch_.found[next].position != kNoTarget) {
          number_edge(plan_.nodes_[f.position].first_edge + e, input_of(scratch_.found[next], edges[e]));
        }
      }
    }
  }

  void number_edge(std::uint32_t edge, std::uint32_t target) {
    plan_.targets_[edge] = target;
    plan_.places_[edge] = plan_.inputs_[target].arrivals++;
  }

  Plan& plan_;
  std::span<const Edge> roots_;
  const Wanted& wanted_;
  std::uint32_t id_;
  Scratch& scratch_;
  std::unordered_map<const Node*, std::uint32_t> overflow_;
};

Plan::Plan(std::span<const Edge> roots, const Wanted& wanted) { PlanBuilder(*this, roots, wanted).build(); }

}  // namespace backflow
