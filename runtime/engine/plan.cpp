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

struct Found;
using FoundIndex = TypedIndex<Found>;  // in Scratch::found

/// A node that a walk from the roots has found.
struct Found {
  Node* node;
  std::uint64_t sequence_nr;
  std::uint32_t first_edge;  // in Scratch::edges
  std::uint32_t dependencies;
  NodeIndex position;  // in the plan; none when not part of it
  bool leads_to_wanted;
  bool captured;
};

/// What building a plan needs meanwhile, kept from one plan of the thread to the next.
struct Scratch {
  IndexedVector<FoundIndex, Found> found;
  std::vector<FoundIndex> edges;  // where each edge of each node that was found leads
  std::vector<FoundIndex> order;
  std::vector<FoundIndex> ready;

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
  /// The index in `found` of a node, or none. The index is stamped on the node itself, which costs one
  /// uncontended atomic; when another thread is building a plan over the same node, a map serves instead.
  FoundIndex index_of(const Node& node) const {
    const std::uint64_t stamp = node.stamp_.load(std::memory_order_relaxed);
    if (stamp >> 32 == id_) {
      return FoundIndex(stamp);
    }
    if (overflow_.empty()) {
      return {};
    }
    const auto it = overflow_.find(&node);
    return it == overflow_.end() ? FoundIndex() : it->second;
  }

  FoundIndex find_or_add(Node& node) {
    FoundIndex index = index_of(node);
    if (!index.is_valid()) {
      index = scratch_.found.add({&node, node.sequence_nr(), 0, 0, NodeIndex(), wanted_.everything(), false});
      std::uint64_t free = 0;
      if (!node.stamp_.compare_exchange_strong(free, std::uint64_t{id_} << 32 | index.value(),
                                               std::memory_order_relaxed)) {
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

  std::span<const FoundIndex> edges_of(const Found& f) const {
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
    for (FoundIndex next(0); next < scratch_.found.end_index(); ++next) {
      Node& node = *scratch_.found[next].node;
      scratch_.found[next].first_edge = static_cast<std::uint32_t>(scratch_.edges.size());
      for (const Edge& edge : node.next_edges()) {
        const FoundIndex index = edge.function ? find_or_add(*edge.function) : FoundIndex();
        scratch_.edges.push_back(index);
        if (index.is_valid()) {
          ++scratch_.found[index].dependencies;
        }
      }
    }
  }

  bool is_newer(FoundIndex a, FoundIndex b) const {
    const std::uint64_t sa = scratch_.found[a].sequence_nr;
    const std::uint64_t sb = scratch_.found[b].sequence_nr;
    return sa != sb ? sa > sb : a < b;
  }

  /// Kahn's algorithm, the newest ready node first: `newest`, then the heap `ready`. Most nodes make just one other
  /// ready, which never sees the heap.
  void order_nodes() {
    const auto older = [this](FoundIndex a, FoundIndex b) { return is_newer(b, a); };
    std::vector<FoundIndex>& ready = scratch_.ready;
    FoundIndex newest;
    const auto add = [&](FoundIndex i) {
      if (!newest.is_valid()) {
        newest = i;
        return;
      }
      ready.push_back(is_newer(i, newest) ? std::exchange(newest, i) : i);
      std::push_heap(ready.begin(), ready.end(), older);
    };
    for (const FoundIndex i : scratch_.found.indices()) {
      if (scratch_.found[i].dependencies == 0) {
        add(i);
      }
    }
    scratch_.order.reserve(scratch_.found.size());
    while (newest.is_valid() || !ready.empty()) {
      FoundIndex i = newest;
      if (!i.is_valid() || (!ready.empty() && is_newer(ready.front(), i))) {
        std::pop_heap(ready.begin(), ready.end(), older);
        i = std::exchange(ready.back(), newest);
        if (!newest.is_valid()) {
          ready.pop_back();
        } else {
          std::push_heap(ready.begin(), ready.end(), older);
        }
      }
      newest = {};
      scratch_.order.push_back(i);
      for (const FoundIndex next : edges_of(scratch_.found[i])) {
        if (next.is_valid() && --scratch_.found[next].dependencies == 0) {
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
      const FoundIndex i = edge.function ? index_of(*edge.function) : FoundIndex();
      if (i.is_valid()) {
        scratch_.found[i].captured = true;
      }
    }
    for (const Edge& edge : wanted_.applied) {
      const FoundIndex i = index_of(*edge.function);
      if (i.is_valid()) {
        scratch_.found[i].leads_to_wanted = true;
      }
    }
    // NOLINTNEXTLINE(modernize-loop-convert): clang 14 can't read libstdc++'s reverse views
    for (auto it = scratch_.order.rbegin(); it != scratch_.order.rend(); ++it) {
      Found& f = scratch_.found[*it];
      for (const FoundIndex next : edges_of(f)) {
        if (next.is_valid()) {
          const Found& to = scratch_.found[next];
          f.leads_to_wanted = f.leads_to_wanted || to.leads_to_wanted || to.captured;
        }
      }
    }
  }

  void number_nodes() {
    plan_.nodes_.reserve(scratch_.order.size());
    InputIndex inputs(0);
    EdgeIndex edges(0);
    for (const FoundIndex i : scratch_.order) {
      Found& f = scratch_.found[i];
      if (f.leads_to_wanted || f.captured) {
        f.position =
            plan_.nodes_.add({.node = f.node, .first_input = inputs, .first_edge = edges, .runs = f.leads_to_wanted});
        inputs = inputs + f.node->num_inputs();
        edges = edges + f.node->num_outputs();
      }
    }
    plan_.inputs_.resize(inputs.value());
    plan_.targets_.resize(edges.value(), kNoTarget);
    plan_.places_.resize(edges.value());
    for (std::uint32_t w = 0; w < wanted_.captured.size(); ++w) {
      const Edge& edge = wanted_.captured[w];
      const FoundIndex i = edge.function ? index_of(*edge.function) : FoundIndex();
      if (is_in_plan(i)) {
        plan_.inputs_[input_of(scratch_.found[i], edge)].capture = CaptureIndex(w);
      }
    }
  }

  bool is_in_plan(FoundIndex i) const { return i.is_valid() && scratch_.found[i].position.is_valid(); }

  InputIndex input_of(const Found& f, const Edge& edge) const {
    return plan_.nodes_[f.position].first_input + edge.input_nr;
  }

  void number_edges() {
    for (const NodeIndex i : plan_.nodes_.indices()) {
      const PlanNode& n = plan_.nodes_[i];
      for (PlanInput& input : std::span(plan_.inputs_).subspan(n.first_input.value(), n.node->num_inputs())) {
        input.node = i;
      }
    }
    plan_.root_targets_.reserve(roots_.size());
    plan_.root_places_.reserve(roots_.size());
    for (const Edge& root : roots_) {
      const FoundIndex i = root.function ? index_of(*root.function) : FoundIndex();
      const InputIndex target = is_in_plan(i) ? input_of(scratch_.found[i], root) : InputIndex();
      plan_.root_targets_.push_back(target);
      plan_.root_places_.push_back(target.is_valid() ? plan_.inputs_[target].arrivals++ : 0);
    }
    for (const FoundIndex i : scratch_.order) {
      const Found& f = scratch_.found[i];
      if (!f.position.is_valid() || !plan_.nodes_[f.position].runs) {
        continue;
      }
      const std::span<const Edge> edges = f.node->next_edges();
      for (std::uint32_t e = 0; e < edges.size(); ++e) {
        const FoundIndex next = edges_of(f)[e];
        if (is_in_plan(next)) {
          number_edge(plan_.nodes_[f.position].first_edge + e, input_of(scratch_.found[next], edges[e]));
        }
      }
    }
  }

  void number_edge(EdgeIndex edge, InputIndex target) {
    plan_.targets_[edge] = target.value();
    plan_.places_[edge] = plan_.inputs_[target].arrivals++;
  }

  Plan& plan_;
  std::span<const Edge> roots_;
  const Wanted& wanted_;
  std::uint32_t id_;
  Scratch& scratch_;
  std::unordered_map<const Node*, FoundIndex> overflow_;
};

Plan::Plan(std::span<const Edge> roots, const Wanted& wanted) { PlanBuilder(*this, roots, wanted).build(); }

}  // namespace backflow
