#include <backflow/runtime/plan.h>

#include <atomic>
#include <queue>
#include <unordered_map>

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

/// Builds a plan in four walks, none of them recursive: find the nodes, order them, drop those that lead to nothing
/// wanted, number what is left.
class PlanBuilder {
 public:
  PlanBuilder(Plan& plan, std::span<const Edge> roots, const Wanted& wanted)
      : plan_(plan), roots_(roots), wanted_(wanted), id_(next_plan_id()) {}

  void build() {
    find_nodes();
    order_nodes();
    mark_needed();
    number_nodes();
    number_edges();
    for (const Found& f : found_) {
      release_stamp(*f.node);
    }
  }

 private:
  struct Found {
    Node* node;
    std::uint32_t dependencies;
    bool leads_to_wanted;
    bool captured;
    std::uint32_t position;  // in the plan, kNoTarget when not part of it
  };

  /// The index in `found_` of a node, or kNoTarget. The index is stamped on the node itself, which costs one
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

  std::uint32_t add(Node& node) {
    const auto index = static_cast<std::uint32_t>(found_.size());
    found_.push_back({&node, 0, wanted_.everything(), false, kNoTarget});
    std::uint64_t free = 0;
    if (!node.stamp_.compare_exchange_strong(free, std::uint64_t{id_} << 32 | index, std::memory_order_relaxed)) {
      overflow_.emplace(&node, index);
    }
    return index;
  }

  void release_stamp(Node& node) const {
    if (node.stamp_.load(std::memory_order_relaxed) >> 32 == id_) {
      node.stamp_.store(0, std::memory_order_relaxed);
    }
  }

  void find_nodes() {
    for (const Edge& root : roots_) {
      if (root.function && index_of(*root.function) == kNoTarget) {
        add(*root.function);
      }
    }
    // `found_` is the queue of the walk: everything behind `next` still has to be looked at.
    for (std::size_t next = 0; next < found_.size(); ++next) {
      for (const Edge& edge : found_[next].node->next_edges()) {
        if (!edge.function) {
          continue;
        }
        std::uint32_t index = index_of(*edge.function);
        if (index == kNoTarget) {
          index = add(*edge.function);
        }
        ++found_[index].dependencies;
      }
    }
  }

  /// Kahn's algorithm, the newest ready node first.
  void order_nodes() {
    const auto older = [this](std::uint32_t a, std::uint32_t b) {
      const std::uint64_t sa = found_[a].node->sequence_nr();
      const std::uint64_t sb = found_[b].node->sequence_nr();
      return sa != sb ? sa < sb : a > b;
    };
    std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, decltype(older)> ready(older);
    std::vector<std::uint32_t> missing(found_.size());
    for (std::uint32_t i = 0; i < found_.size(); ++i) {
      missing[i] = found_[i].dependencies;
      if (missing[i] == 0) {
        ready.push(i);
      }
    }
    order_.reserve(found_.size());
    while (!ready.empty()) {
      const std::uint32_t i = ready.top();
      ready.pop();
      order_.push_back(i);
      for (const Edge& edge : found_[i].node->next_edges()) {
        if (edge.function) {
          const std::uint32_t next = index_of(*edge.function);
          if (--missing[next] == 0) {
            ready.push(next);
          }
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
        found_[i].captured = true;
      }
    }
    for (const Edge& edge : wanted_.applied) {
      const std::uint32_t i = index_of(*edge.function);
      if (i != kNoTarget) {
        found_[i].leads_to_wanted = true;
      }
    }
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      Found& f = found_[*it];
      for (const Edge& edge : f.node->next_edges()) {
        if (edge.function) {
          const Found& to = found_[index_of(*edge.function)];
          f.leads_to_wanted = f.leads_to_wanted || to.leads_to_wanted || to.captured;
        }
      }
    }
  }

  void number_nodes() {
    plan_.nodes_.reserve(order_.size());
    for (const std::uint32_t i : order_) {
      Found& f = found_[i];
      if (!f.leads_to_wanted && !f.captured) {
        continue;
      }
      f.position = static_cast<std::uint32_t>(plan_.nodes_.size());
      PlanNode n;
      n.node = f.node;
      n.runs = f.leads_to_wanted;
      n.first_input = static_cast<std::uint32_t>(plan_.inputs_.size());
      n.first_edge = static_cast<std::uint32_t>(plan_.targets_.size());
      plan_.nodes_.push_back(n);
      plan_.inputs_.resize(plan_.inputs_.size() + f.node->num_inputs(), PlanInput{f.position});
      plan_.targets_.resize(plan_.targets_.size() + f.node->next_edges().size(), kNoTarget);
    }
    plan_.places_.resize(plan_.targets_.size());
    for (std::uint32_t w = 0; w < wanted_.captured.size(); ++w) {
      const std::uint32_t target = target_of(wanted_.captured[w]);
      if (target != kNoTarget) {
        plan_.inputs_[target].capture = w;
      }
    }
  }

  std::uint32_t target_of(const Edge& edge) const {
    const std::uint32_t i = edge.function ? index_of(*edge.function) : kNoTarget;
    if (i == kNoTarget || found_[i].position == kNoTarget) {
      return kNoTarget;
    }
    return plan_.nodes_[found_[i].position].first_input + edge.input_nr;
  }

  void number_edges() {
    for (const Edge& root : roots_) {
      const std::uint32_t target = target_of(root);
      plan_.root_targets_.push_back(target);
      plan_.root_places_.push_back(target == kNoTarget ? 0 : plan_.inputs_[target].arrivals++);
    }
    for (const PlanNode& n : plan_.nodes_) {
      std::uint32_t e = n.first_edge;
      for (const Edge& edge : n.node->next_edges()) {
        const std::uint32_t target = n.runs ? target_of(edge) : kNoTarget;
        if (target != kNoTarget) {
          PlanInput& input = plan_.inputs_[target];
          plan_.targets_[e] = target;
          plan_.places_[e] = input.arrivals++;
          ++plan_.nodes_[input.node].dependencies;
        }
        ++e;
      }
    }
  }

  Plan& plan_;
  std::span<const Edge> roots_;
  const Wanted& wanted_;
  std::uint32_t id_;
  std::vector<Found> found_;
  std::vector<std::uint32_t> order_;
  std::unordered_map<const Node*, std::uint32_t> overflow_;
};

Plan::Plan(std::span<const Edge> roots, const Wanted& wanted) { PlanBuilder(*this, roots, wanted).build(); }

}  // namespace backflow
