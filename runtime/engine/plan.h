#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <backflow/runtime/engine/indices.h>
#include <backflow/runtime/tape/node.h>

namespace backflow {

/// In the wanted gradients that a pass hands back.
using CaptureIndex = TypedIndex<struct Wanted>;

/// What of a node's gradients is computed at one place of a plan: all, those of its leaves, or the others after them.
enum class PlanPart : std::uint8_t { Whole, Leaves, Others };

/// One node of a backward pass. Its gradients are inputs [first_input, first_input + node->num_inputs()) of the plan,
/// its edges are targets [first_edge, first_edge + node->next_edges().size()).
struct PlanNode {
  Node* node = nullptr;
  InputIndex first_input = {};
  EdgeIndex first_edge = {};
  bool runs = true;  ///< false for a node that is only there for its gradient to be captured
  PlanPart part = PlanPart::Whole;
  NodeIndex others = {};  ///< of PlanPart::Leaves: where the others are

  /// Of this part.
  Cost cost() const;
};

/// One incoming gradient of a node: the sum of `arrivals` contributions, always added in the same order.
struct PlanInput {
  NodeIndex node = {};
  std::uint32_t arrivals = 0;
  CaptureIndex capture = {};  ///< the wanted input whose gradient this is, if any
};

/// The results of a backward pass: gradients that it returns, and leaves whose grad() it adds to. With neither, it adds
/// to all leaves.
struct Wanted {
  std::span<const Edge> captured = {};
  std::span<const Edge> applied = {};

  bool everything() const { return captured.empty() && applied.empty(); }
};

/// What a backward pass will do, fixed before it starts. It has the nodes between the roots and the wanted gradients,
/// in an order in which they can run. For every gradient it has the order in which contributions are added. Both depend
/// on the tape alone, so every engine on any number of threads computes the same bits.
///
/// The contributions to an input are ordered by the position of the contributing node in `nodes`, then by its edges;
/// gradients given for the roots come first. `nodes` is ordered by sequence number, the newest first, as far as the
/// edges allow.
class Plan {
 public:
  /// `roots`: where backward starts.
  Plan(std::span<const Edge> roots, const Wanted& wanted);

  /// Cuts each node that takes long, computes gradients apart, and leads to leaves and others, in two: first the
  /// gradients of leaves, so that these can be sent while the others are computed. The bits stay the same.
  void put_leaves_first();

  const IndexedVector<NodeIndex, PlanNode>& nodes() const { return nodes_; }
  const IndexedVector<InputIndex, PlanInput>& inputs() const { return inputs_; }
  /// Those of a node.
  std::span<const PlanInput> inputs(const PlanNode& n) const {
    return {inputs_.data() + n.first_input.value(), n.node->num_inputs()};
  }
  /// For every edge of a node: the number of the input that it leads to, or kNoTarget, as NodeCall takes them.
  std::span<const std::uint32_t> targets(const PlanNode& n) const {
    return {targets_.data() + n.first_edge.value(), n.node->next_edges().size()};
  }
  /// For every edge of a node: its place in the order of its target's contributions.
  std::span<const std::uint32_t> places(const PlanNode& n) const {
    return {places_.data() + n.first_edge.value(), n.node->next_edges().size()};
  }
  /// Calls `f(NodeIndex)` for every edge of node `i` that has a target, with the node that it leads to; then for the
  /// other part of a node that has been cut.
  template <class F>
  void for_successors(NodeIndex i, const F& f) const {
    for (const std::uint32_t target : targets(nodes_[i])) {
      if (target != kNoTarget) {
        f(inputs_[InputIndex(target)].node);
      }
    }
    if (nodes_[i].others.is_valid()) {
      f(nodes_[i].others);
    }
  }
  /// For every root: its input; none when it leads to nothing wanted. Its place is the root's rank among the roots of
  /// that input.
  std::span<const InputIndex> root_targets() const { return root_targets_; }
  std::span<const std::uint32_t> root_places() const { return root_places_; }

 private:
  friend class PlanBuilder;

  bool is_leaf(std::uint32_t target) const;
  bool is_worth_cutting(const PlanNode& n) const;
  EdgeIndex copy_edges(const PlanNode& n);

  IndexedVector<NodeIndex, PlanNode> nodes_;
  IndexedVector<InputIndex, PlanInput> inputs_;
  IndexedVector<EdgeIndex, std::uint32_t> targets_;
  IndexedVector<EdgeIndex, std::uint32_t> places_;
  std::vector<InputIndex> root_targets_;
  std::vector<std::uint32_t> root_places_;
};

}  // namespace backflow
