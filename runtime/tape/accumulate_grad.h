#pragma once

#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/runtime/tape/node.h>

namespace backflow {

/// True when this handle is the only owner of the elements of `x`. Then a leaf may keep them as its gradient, and a sum
/// may add to them in place.
bool is_exclusive(const Tensor& x);

/// The node at the end of the tape: adds incoming gradients to the leaf's grad(). One per leaf, shared by all graphs
/// that use the leaf.
class AccumulateGrad final : public Node {
 public:
  /// The accumulator of a leaf that requires a gradient.
  static IntrusivePtr<Node> of(const Tensor& leaf);

  std::string name() const override { return "AccumulateGrad"; }
  std::string_view static_name() const override { return "AccumulateGrad"; }
  void apply(NodeCall& call) override;
  const Tensor& variable() const { return variable_; }
  /// The leaf's place in a bucket if it is free, which it is not any more then: for the node whose result, of these
  /// sizes and this dtype, is the whole gradient, and which has to hand on this very tensor. Undefined if there is
  /// none. Thread-safe.
  Tensor take_buffer(IntArrayRef sizes, ScalarType dtype);

 private:
  explicit AccumulateGrad(const Tensor& leaf);
  ~AccumulateGrad() override;

  Tensor variable_;
};

/// Where the gradient of `x` goes: its grad_fn, the accumulator of a leaf that requires a gradient, or nowhere.
Edge gradient_edge(const Tensor& x);

}  // namespace backflow
