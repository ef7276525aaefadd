// Nodes of a plan that are cut in two: the gradients of leaves, then the others.
#include <algorithm>

#include <backflow/runtime/engine/plan.h>
#include <backflow/runtime/tape/accumulate_grad.h>

namespace backflow {
namespace {

/// Of a node, in ns. To cut one costs some 0.5 us, and what is shorter hides little communication.
constexpr float kLeastWork = 100'000;

}  // namespace

Cost PlanNode::cost() const {
  const Cost all = node->cost();
  // About half each: a product with the weights, and one for them.
  return part == PlanPart::Whole ? all : Cost{all.flop / 2, all.bytes / 2, all.dtype};
}

bool Plan::is_leaf(std::uint32_t target) const {
  return target != kNoTarget && dynamic_cast<const AccumulateGrad*>(nodes_[inputs_[InputIndex(target)].node].node);
}

bool Plan::is_worth_cutting(const PlanNode& n) const {
  if (!n.runs || !n.node->computes_apart() || n.node->hooks() != nullptr || n.node->work() < kLeastWork) {
    return false;
  }
  const std::span<const std::uint32_t> all = targets(n);
  return std::any_of(all.begin(), all.end(), [this](std::uint32_t t) { return is_leaf(t); }) &&
         std::any_of(all.begin(), all.end(), [this](std::uint32_t t) { return t != kNoTarget && !is_leaf(t); });
}

/// Appends those of a node; returns where they are.
EdgeIndex Plan::copy_edges(const PlanNode& n) {
  const EdgeIndex first = targets_.end_index();
  for (std::size_t e = 0; e < n.node->next_edges().size(); ++e) {
    targets_.push_back(targets(n)[e]);
    places_.push_back(places(n)[e]);
  }
  return first;
}

void Plan::put_leaves_first() {
  IndexedVector<NodeIndex, PlanNode> cut;
  std::vector<NodeIndex> place_of(nodes_.size());  // by old index: the new one of the node, or of its first part
  NodeIndex open;                                  // in `cut`: a node whose other part is still to come
  const auto close = [&] {
    if (open.is_valid()) {
      PlanNode others = cut[open];
      others.part = PlanPart::Others;
      const NodeIndex at = cut.add(others);
      cut[open].others = at;
      open = {};
    }
  };
  for (const NodeIndex i : nodes_.indices()) {
    const PlanNode& n = nodes_[i];
    if (!dynamic_cast<const AccumulateGrad*>(n.node)) {
      close();  // leaves of the open node follow it at once
    }
    place_of[i.value()] = cut.add(n);
    if (is_worth_cutting(n)) {
      open = place_of[i.value()];
      cut[open].part = PlanPart::Leaves;
    }
  }
  close();
  for (PlanNode& n : cut) {
    if (n.part == PlanPart::Leaves) {
      n.first_edge = copy_edges(n);
    }
  }
  for (const PlanNode& n : cut) {
    for (std::size_t e = 0; n.part != PlanPart::Whole && e < n.node->next_edges().size(); ++e) {
      std::uint32_t& target = targets_[n.first_edge + e];
      if (is_leaf(target) != (n.part == PlanPart::Leaves)) {
        target = kNoTarget;
      }
    }
  }
  for (PlanInput& input : inputs_) {
    input.node = place_of[input.node.value()];
  }
  nodes_ = std::move(cut);
}

}  // namespace backflow
