#pragma once

#include <mutex>

#include <backflow/runtime/node.h>

namespace backflow {

class AccumulateGrad;

/// The autograd data of a leaf.
struct AutogradMeta {
  Tensor grad;                            ///< what backward has accumulated; undefined before the first
  Tensor grad_buffer;                     ///< where the gradient has to live (its place in a bucket), if anywhere
  AccumulateGrad* accumulator = nullptr;  ///< weak: the tape owns it, and it owns the leaf
  std::mutex mutex;                       ///< guards `accumulator`, and `grad` during accumulation
};

/// The node at the end of the tape: adds what arrives to the leaf's grad(). One per leaf, shared by every graph that
/// uses the leaf at the time.
class AccumulateGrad final : public Node {
 public:
  /// The accumulator of a leaf that requires a gradient.
  static IntrusivePtr<Node> of(const Tensor& leaf);

  const char* name() const override { return "AccumulateGrad"; }
  void apply(NodeCall& call) override;
  const Tensor& variable() const { return variable_; }

 private:
  explicit AccumulateGrad(const Tensor& leaf);
  ~AccumulateGrad() override;

  Tensor variable_;
};

}  // namespace backflow
