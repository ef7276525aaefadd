#pragma once

#include <backflow/runtime/tensor.h>

namespace backflow::kernels {

/// Element-wise functions of one operand.
enum class Unary { Neg, Abs, Sign, Exp, Log, Sqrt, Sin, Cos, Relu, Tanh, Sigmoid, Count };

/// Element-wise functions of two operands. Comparisons give 1 or 0; a maximum or minimum with NaN is NaN. The *Backward
/// ones take the gradient dy and the forward's result y.
enum class Binary {
  Add,
  Sub,
  Mul,
  Maximum,
  Minimum,
  Div,
  Pow,
  Xlogy,
  Equal,
  GreaterEqual,
  LessEqual,
  ReluBackward,
  TanhBackward,
  SigmoidBackward,
  Count
};

/// y = f(x). Shapes and dtypes are equal; any strides; y may be x itself. Neg, Abs and Sign take every dtype, the
/// others floating-point ones.
void unary(Unary f, const Tensor& y, const Tensor& x);

/// y = f(a, b), where a and b broadcast to the shape of y. All dtypes are equal; any strides; y may be a or b itself,
/// but must not overlap them otherwise. Those from Add to Minimum take every dtype, the others floating-point ones.
void binary(Binary f, const Tensor& y, const Tensor& a, const Tensor& b);

/// y = f(a, factor b), with one rounding for the product and one for f; floating-point dtypes.
void binary(Binary f, const Tensor& y, const Tensor& a, const Tensor& b, const Scalar& factor);

/// y = f(a, b) for a number b.
void binary(Binary f, const Tensor& y, const Tensor& a, const Scalar& b);
/// y = f(a, b) for a number a.
void binary(Binary f, const Tensor& y, const Scalar& a, const Tensor& b);

/// y = x converted to y's dtype; x broadcasts to the shape of y. Any strides, no overlap.
void copy(const Tensor& y, const Tensor& x);

/// Every element of y becomes `value`.
void fill(const Tensor& y, const Scalar& value);

}  // namespace backflow::kernels
