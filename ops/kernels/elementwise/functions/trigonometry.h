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

using UnaryTrigonometry = List<Sin, Cos, Tan, Asin, Acos, Atan>;

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

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
