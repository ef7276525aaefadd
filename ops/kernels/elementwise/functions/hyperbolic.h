// Hyperbolic functions and their inverses.
#ifndef BACKFLOW_FUNCTIONS_HYPERBOLIC
#define BACKFLOW_FUNCTIONS_HYPERBOLIC

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Sinh : OfReals {};
struct Cosh : OfReals {};
struct Tanh : OfReals {};
struct Asinh : OfReals {};
struct Acosh : OfReals {};
struct Atanh : OfReals {};

struct TanhBackward : OfReals {};  ///< of dy and y

// Gradients, of dy and x, without the rounding or the overflow of x^2.
struct AsinhBackward : OfReals {};
struct AcoshBackward : OfReals {};
struct AtanhBackward : OfReals {};

using UnaryHyperbolic = List<Sinh, Cosh, Tanh, Asinh, Acosh, Atanh>;
using BinaryHyperbolic = List<TanhBackward, AsinhBackward, AcoshBackward, AtanhBackward>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

/// For |x| < 1 the sum of x^n / n!, n = 1, 3, ..., 17; beyond, half of e^x - e^-x from powers of e^(|x|/2), which are
/// finite wherever the result is.
template <class D, class V>
HWY_INLINE V form(functions::Sinh, D d, V x) {
  const V a = hn::Abs(x);
  const V square = hn::Mul(x, x);
  const V sum = polynomial(d, square,
                           {1.0 / 6, 1.0 / 120, 1.0 / 5040, 1.0 / 362880, 1.0 / 39916800, 1.0 / 6227020800,
                            1.0 / 1307674368000, 1.0 / 355687428096000});
  const V near = hn::MulAdd(hn::Mul(square, a), sum, a);
  const V half = number(d, 0.5);
  const V root = exp_of(d, hn::Mul(a, half));
  const V grown = hn::Mul(hn::Mul(root, half), root);
  const V far = hn::Sub(grown, hn::Div(half, hn::Mul(root, root)));
  return hn::CopySign(hn::IfThenElse(hn::Lt(a, number(d, 1)), near, far), x);
}

template <class D, class V>
HWY_INLINE V form(functions::Cosh, D d, V x) {
  const V half = number(d, 0.5);
  const V root = exp_of(d, hn::Mul(hn::Abs(x), half));
  return hn::Add(hn::Mul(hn::Mul(root, half), root), hn::Div(half, hn::Mul(root, root)));
}

/// float32: x + x^3 P(x^2) below 0.65, with P fitted for the smallest relative error (7e-9), else (1 - e^-2x) / (1 +
/// e^-2x).
template <class D, class V>
HWY_INLINE V form(functions::Tanh, D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Tanh(d, x));
  } else {
    const V a = hn::Abs(x);
    const V square = hn::Mul(x, x);
    const V near = hn::MulAdd(
        hn::Mul(square, a), polynomial(d, square, {-0.3333326, 0.13330847, -0.05368924, 0.020472879, -0.005518531}), a);
    const V one = number(d, 1);
    const V e = exp_of_negative(d, hn::Mul(a, number(d, -2)));
    const V far = hn::Div(hn::Sub(one, e), hn::Add(one, e));
    const V y = hn::CopySign(hn::IfThenElse(hn::Lt(a, number(d, 0.65)), near, far), x);
    return hn::IfThenElse(hn::IsNaN(x), x, y);
  }
}

template <class D, class V>
HWY_INLINE V form(functions::Asinh, D d, V x) {
  const V a = hn::Abs(x);
  const V one = number(d, 1);
  const V root = hn::Sqrt(hn::MulAdd(a, a, one));
  const auto large = hn::Gt(a, number(d, 0x1p60));
  const V argument = hn::IfThenElse(large, a, hn::MulAdd(a, hn::Div(a, hn::Add(one, root)), a));
  const V y = hn::Add(log1p_of(d, argument), hn::IfThenElseZero(large, number(d, 0.69314718055994531)));
  return hn::CopySign(y, x);
}

template <class D, class V>
HWY_INLINE V form(functions::Acosh, D d, V x) {
  const V t = hn::Sub(x, number(d, 1));
  const auto large = hn::Gt(x, number(d, 0x1p60));
  const V root = hn::Sqrt(hn::Mul(t, hn::Add(t, number(d, 2))));
  const V argument = hn::IfThenElse(large, x, hn::Add(t, root));
  const V y = hn::Add(log1p_of(d, argument), hn::IfThenElseZero(large, number(d, 0.69314718055994531)));
  return hn::IfThenElse(hn::Lt(x, number(d, 1)), nan(d), y);
}

/// log((1 + x) / (1 - x)) / 2.
template <class D, class V>
HWY_INLINE V form(functions::Atanh, D d, V x) {
  const V a = hn::Abs(x);
  const V ratio = hn::Div(hn::Add(a, a), hn::Sub(number(d, 1), a));
  const V y = hn::CopySign(hn::Mul(number(d, 0.5), log1p_of(d, ratio)), x);
  return hn::IfThenElse(hn::Gt(a, number(d, 1)), nan(d), y);
}

HWY_INLINE auto form(functions::TanhBackward, auto d, auto dy, auto y) {
  return hn::Mul(dy, hn::Sub(number(d, 1), hn::Mul(y, y)));
}

template <class D, class V>
HWY_INLINE V form(functions::AsinhBackward, D d, V dy, V x) {
  const V a = hn::Abs(x);
  const V root = hn::Sqrt(hn::Add(hn::Mul(x, x), number(d, 1)));
  return hn::Div(dy, hn::IfThenElse(hn::Gt(a, number(d, kFar)), a, root));
}

template <class D, class V>
HWY_INLINE V form(functions::AcoshBackward, D d, V dy, V x) {
  const V one = number(d, 1);
  const V root = hn::Sqrt(hn::Mul(hn::Sub(x, one), hn::Add(x, one)));
  return hn::Div(dy, hn::IfThenElse(hn::Gt(x, number(d, kFar)), x, hn::IfThenElse(hn::Lt(x, one), nan(d), root)));
}

template <class D, class V>
HWY_INLINE V form(functions::AtanhBackward, D d, V dy, V x) {
  const V one = number(d, 1);
  return hn::Div(dy, hn::Mul(hn::Sub(one, x), hn::Add(one, x)));
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
