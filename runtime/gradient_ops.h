#pragma once

#include <backflow/runtime/tensor.h>

namespace backflow {

/// What the engine needs of the operators, which it does not know: sums of gradients. The operator library sets it.
struct GradientOps {
  Tensor (*add)(const Tensor& a, const Tensor& b);      ///< a + b, recorded when recording is on
  void (*add_)(const Tensor& a, const Tensor& b);       ///< a += b
  void (*copy_)(const Tensor& to, const Tensor& from);  ///< to = from, of the same shape and dtype
};

const GradientOps& gradient_ops();
void set_gradient_ops(const GradientOps& ops);

}  // namespace backflow
