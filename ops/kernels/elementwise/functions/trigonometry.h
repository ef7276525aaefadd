// Trigonometric functions, of radians, and their inverses.
#ifndef BACKFLOW_FUNCTIONS_TRIGONOMETRY
#define BACKFLOW_FUNCTIONS_TRIGONOMETRY

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Sin : OfReals {};
struct Cos : OfReals {};
struct Tan : OfReals {};
struct Asin : OfReals {};
struct Acos : OfReals {};
struct Atan : OfReals {};

// Gradients, of dy and x, without the rounding or the overflow of x^2.
struct AsinBackward : OfReals {};
struct AcosBackward : OfReals {};
struct AtanBackward : OfReals {};

using UnaryTrigonometry = List<Sin, Cos, Tan, Asin, Acos, Atan>;
using BinaryTrigonometry = List<AsinBackward, AcosBackward, AtanBackward>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

/// `y`, an arc of which Highway gives a number beyond [-1, 1] too.
template <class D, class V>
HWY_INLINE V within_one(D d, V x, V y) {
  return hn::IfThenElse(hn::Le(hn::Abs(x), number(d, 1)), y, nan(d));
}

template <>
struct VectorForm<functions::Sin> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return sine_of<true>(d, x);
  }
};

template <>
struct VectorForm<functions::Cos> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return sine_of<false>(d, x);
  }
};

template <>
struct VectorForm<functions::Tan> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return hn::Div(sine_of<true>(d, x), sine_of<false>(d, x));
  }
};

template <>
struct VectorForm<functions::Asin> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return within_one(d, x, hn::Asin(d, x));
  }
};

template <>
struct VectorForm<functions::Acos> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return within_one(d, x, hn::Acos(d, x));
  }
};

template <>
struct VectorForm<functions::Atan> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Atan(d, x));
  }
};

/// dy / sqrt(1 - x^2), from factors that have no rounding of x^2 in them.
template <class D, class V>
HWY_INLINE V arcsine_slope(D d, V dy, V x) {
  const V one = number(d, 1);
  return hn::Div(dy, hn::Sqrt(hn::Mul(hn::Sub(one, x), hn::Add(one, x))));
}

template <>
struct VectorForm<functions::AsinBackward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V x) {
    return arcsine_slope(d, dy, x);
  }
};

template <>
struct VectorForm<functions::AcosBackward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V x) {
    return hn::Neg(arcsine_slope(d, dy, x));
  }
};

template <>
struct VectorForm<functions::AtanBackward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V x) {
    const auto far = hn::Gt(hn::Abs(x), number(d, kFar));
    return hn::IfThenElse(far, hn::Div(hn::Div(dy, x), x), hn::Div(dy, hn::Add(hn::Mul(x, x), number(d, 1))));
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
