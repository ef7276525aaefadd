#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include <backflow/runtime/engine/plan.h>

namespace backflow {

/// The sequence numbers that a pass keeps for what it records while it runs (create_graph): a range for each node, so
/// that they don't depend on which thread ran what. A node may record 2^15 nodes before its numbers run into those of
/// the next one; that would only change the order in which a plan over them runs, and on every engine alike.
class PassNumbers {
 public:
  explicit PassNumbers(const Plan& plan) : first_(SequenceRange::reserve(plan.nodes().size() * kOfNode)) {}

  /// For the sums of the node's gradients: the first half of its range.
  std::uint64_t of_sums(NodeIndex node) const { return first_ + node.value() * kOfNode; }
  /// For what the node records itself: the second half.
  std::uint64_t of_backward(NodeIndex node) const { return of_sums(node) + kOfNode / 2; }

 private:
  static constexpr std::uint64_t kOfNode = 1 << 16;
  std::uint64_t first_;
};

/// The gradients that nodes of a plan wait for, each the sum of its contributions in the order of the plan.
///
/// In a serial pass they come in that order and are added at once. After begin_parallel() they may come from several
/// threads in any order.
class GradientSums {
 public:
  /// `keeps_parts`: no sum is added to in place, since the parts are on the tape.
  GradientSums(const Plan& plan, const PassNumbers& numbers, bool keeps_parts);
  ~GradientSums();
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  /// After the gradients of the roots have been handed on, and nothing else.
  void begin_parallel();
  /// Brings contribution number `place` to an input of the plan.
  void hand_on(InputIndex input, std::uint32_t place, Tensor gradient);
  /// The gradients of a node: complete when all that lead to it have run.
  std::span<Tensor> of(const PlanNode& n) { return {&gradients_[n.first_input], n.node->num_inputs()}; }

 private:
  struct Sum;
  struct Contribution;

  void hand_on_in_any_order(InputIndex input, std::uint32_t place, Tensor gradient);
  void add(InputIndex input, std::uint32_t place, Tensor gradient);

  const Plan& plan_;
  const PassNumbers& numbers_;
  const bool keeps_parts_;
  IndexedVector<InputIndex, Tensor> gradients_;    // the sums so far
  IndexedVector<InputIndex, Sum> sums_;            // empty in a serial pass
  std::unique_ptr<Contribution[]> contributions_;  // those to the first input, then those to the second, ...
};

}  // namespace backflow
