#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <backflow/runtime/tape/node.h>

namespace backflow {

/// One node of a backward pass. Its gradients are inputs [first_input, first_input + node->num_inputs()) of the plan,
/// its edges are targets [first_edge, first_edge + node->next_edges().size()).
struct PlanNode {
  Node* node = nullptr;
  std::uint32_t first_input = 0;
  std::uint32_t first_edge = 0;
  bool runs = true;  ///< false for a node that is only there for its gradient to be captured
};

/// One incoming gradient of a node: the sum of `arrivals` contributions, always added in the same order.
struct PlanInput {
  std::uint32_t node = 0;
  std::uint32_t arrivals = 0;
  std::uint32_t capture = kNoTarget;  ///< index of the wanted input whose gradient this is, if any
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

  std::span<const PlanNode> nodes() const { return nodes_; }
  std::span<const PlanInput> inputs() const { return inputs_; }
  /// For every edge of every node: the input that it leads to, or kNoTarget.
  std::span<const std::uint32_t> targets(const PlanNode& n) const {
    return {targets_.data() + n.first_edge, n.node->next_edges().size()};
  }
  /// For every edge: its place in the order of its target's contributions.
  std::span<const std::uint32_t> places(const PlanNode& n) const {
    return {places_.data() + n.first_edge, n.node->next_edges().size()};
  }
  /// For every root: its input, kNoTarget when it leads to nothing wanted. Its place is the root's rank among the
  /// roots of that input.
  std::span<const std::uint32_t> root_targets() const { return root_targets_; }
  std::span<const std::uint32_t> root_places() const { return root_places_; }

 private:
  friend class PlanBuilder;

  std::vector<PlanNode> nodes_;
  std::vector<PlanInput> inputs_;
  std::vector<std::uint32_t> targets_;
  std::vector<std::uint32_t> places_;
  std::vector<std::uint32_t> root_targets_;
  std::vector<std::uint32_t> root_places_;
};

}  // namespace backflow
