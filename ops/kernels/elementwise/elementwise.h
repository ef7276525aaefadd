#pragma once

#include <array>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// Numbers that a function has besides its operands, as the slope of leaky_relu.
using Params = std::array<double, 3>;

/// Element-wise functions of one operand. Those before Exp take every dtype, the others floating-point ones.
enum class Unary {
  Neg,
  Abs,
  Sign,
  Relu,
  Exp,
  Expm1,
  Exp2,
  Log,
  Log1p,
  Log2,
  Log10,
  Sqrt,
  Rsqrt,
  Reciprocal,
  Floor,
  Ceil,
  Round,    ///< ties to even
  RoundTo,  ///< Round(x params[0] / params[1]) params[1] / params[0]
  Trunc,
  Frac,
  Clamp,  ///< within params[0] and params[1], neither NaN
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Tanh,
  Asinh,
  Acosh,
  Atanh,
  Erf,
  Erfc,
  Logit,      ///< of x within params[0] and 1 - params[0], or of x itself where params[0] < 0
  Sigmoid,    ///< the first of the activations
  LeakyRelu,  ///< slope params[0] below 0
  Elu,        ///< params[0] (e^(params[2] x) - 1) up to 0, params[1] x above
  Gelu,
  GeluTanh,
  Silu,
  Mish,
  Softplus,  ///< log(1 + e^(params[0] x)) / params[0]; x where params[0] x > params[1]
  LogSigmoid,
  Hardsigmoid,
  Hardswish,
  Hardshrink,  ///< 0 within params[0] of 0, else x
  Softshrink,  ///< 0 within params[0] of 0, else x that much nearer to 0
  Threshold,   ///< params[1] up to params[0], x above
  Count
};

/// Element-wise functions of two operands. A maximum or minimum with NaN is NaN. The *Backward ones take the gradient
/// dy and the forward's operand x or result y. Those before BitAnd take numbers (and some of them truth values), the
/// Bit* ones integers and truth values, the others floating-point numbers. The divisor of integers must not be 0.
enum class Binary {
  Add,
  Sub,
  Mul,
  Maximum,
  Minimum,
  FloorDivide,  ///< the quotient rounded down
  TruncDivide,  ///< the quotient rounded towards zero
  Fmod,         ///< x - w TruncDivide(x, w), as std::fmod
  Remainder,    ///< x - w FloorDivide(x, w), as Python's %
  Pow,
  BitAnd,
  BitOr,
  BitXor,
  Div,
  Xlogy,
  Atan2,
  Equal,  ///< 1 or 0, as the next two
  GreaterEqual,
  LessEqual,
  ReluBackward,
  TanhBackward,
  SigmoidBackward,
  LeakyReluBackward,  ///< this and all up to ThresholdBackward: of dy and x, with the forward's params
  EluBackward,
  GeluBackward,
  GeluTanhBackward,
  SiluBackward,
  MishBackward,
  SoftplusBackward,
  LogSigmoidBackward,
  ClampBackward,     ///< dy where x lies between the bounds params[0] and params[1] or on one of them, else 0
  HardtanhBackward,  ///< the same without the bounds themselves; dy where x is NaN
  HardsigmoidBackward,
  HardswishBackward,
  ShrinkBackward,  ///< of Hardshrink and Softshrink
  ThresholdBackward,
  Prelu,                ///< of x and the slope w: w x up to 0, x above; without params, as all that follow
  PreluWeightBackward,  ///< of dy and x: the gradient of the slope
  Glu,                  ///< a sigmoid(b)
  Count
};

/// Element-wise functions of three floating-point operands.
enum class Ternary {
  Addcmul,        ///< a + params[0] b c
  Addcdiv,        ///< a + params[0] b / c
  Lerp,           ///< a + c (b - a), from the nearer end, so that both ends are exact
  PreluBackward,  ///< of dy, x and the slope w: w dy where x is up to 0, dy where it is above
  GluBackward,    ///< of dy, a and b: the gradient dy a s (1 - s) of b, with s = sigmoid(b)
  Count
};

/// Relations of two operands of any dtype; all but NotEqual are false where one is NaN.
enum class Comparison { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, And, Or, Xor, Count };

/// Properties of a number of any dtype.
enum class Predicate { IsNan, IsInf, IsFinite, IsZero, Count };

/// Whether there is such a function of numbers of this dtype. What follows must not be called without.
bool has(Unary f, ScalarType dtype);
bool has(Binary f, ScalarType dtype);

// Of the functions below, operands broadcast to the shape of y and have any strides; y may be an operand itself where
// dtypes are equal, but must not overlap one otherwise. bfloat16 is computed in float32 and rounded once. Integers
// wrap.

/// y = f(x); dtypes are equal.
void unary(Unary f, const Tensor& y, const Tensor& x, const Params& params = {});

/// y = f(a, b); dtypes are equal.
void binary(Binary f, const Tensor& y, const Tensor& a, const Tensor& b, const Params& params = {});
/// The same for a number in the place of one operand; as integer it wraps, as float32 it may become infinite.
void binary(Binary f, const Tensor& y, const Tensor& a, const Scalar& b, const Params& params = {});
void binary(Binary f, const Tensor& y, const Scalar& a, const Tensor& b, const Params& params = {});

/// y = a + factor b for Binary::Add, a - factor b for Binary::Sub, with one rounding for the product and one for the
/// sum; floating-point dtypes.
void add_scaled(Binary f, const Tensor& y, const Tensor& a, const Tensor& b, const Scalar& factor);

/// y = f(a, b, c); floating-point dtypes, all equal.
void ternary(Ternary f, const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& c, const Params& params = {});

/// y, a bool tensor, says where f(a, b) holds; dtypes of a and b are equal. A number need not be one of the dtype:
/// that of a uint8 tensor to 300 is the relation of integers.
void compare(Comparison f, const Tensor& y, const Tensor& a, const Tensor& b);
void compare(Comparison f, const Tensor& y, const Tensor& a, const Scalar& b);

/// y, a bool tensor, says where f(x) holds.
void test(Predicate f, const Tensor& y, const Tensor& x);

/// y = a where the bool tensor `condition` is true, else b; dtypes of y, a and b are equal.
void where(const Tensor& y, const Tensor& condition, const Tensor& a, const Tensor& b);

/// y = x converted to y's dtype; x broadcasts to the shape of y. Any strides, no overlap.
void copy(const Tensor& y, const Tensor& x);

/// Every element of y becomes `value`; an Error for a number that the dtype can't hold.
void fill(const Tensor& y, const Scalar& value);

}  // namespace backflow::kernels
