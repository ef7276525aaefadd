#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// Functions and gradients in whose formulas a square or a quotient may overflow, or vanish, where the result does not;
/// they give the result. The *Backward ones take the gradient dy and the forward's operand x.
enum class Guarded {
  Softsign,  ///< x / (1 + |x|) of two operands x
  SoftsignBackward,
  AsinBackward,
  AcosBackward,
  AtanBackward,
  AsinhBackward,
  AcoshBackward,
  AtanhBackward,
  Count
};

/// The same of dy and two operands.
enum class GuardedOfTwo {
  Atan2Backward,   ///< of dy, x, w: dy w / (x^2 + w^2), the gradient of x; 0 at the origin
  Atan2Backward1,  ///< of dy, x, w: -dy x / (x^2 + w^2), the gradient of w; 0 at the origin
  PowBackward,     ///< of dy, x, w: dy w x^(w - 1), the gradient of x; 0 where w = 0
  PowBackward1,    ///< of dy, x^w, x: dy x^w log(x), the gradient of w; 0 where x = 0 and w >= 0
  XlogyBackward1,  ///< of dy, x, w: dy x / w, the gradient of w; 0 where x = 0
  Count
};

// Operands broadcast to the shape of y and have any strides; all are of one floating-point dtype. bfloat16 is computed
// in float32 and rounded once.

/// y = f(a, b).
void guarded(Guarded f, const Tensor& y, const Tensor& a, const Tensor& b);
/// y = f(a, b, c).
void guarded(GuardedOfTwo f, const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& c);

}  // namespace backflow::kernels
