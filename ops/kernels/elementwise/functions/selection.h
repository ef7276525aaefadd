// One of several numbers, and numbers kept within bounds.
#ifndef BACKFLOW_FUNCTIONS_SELECTION
#define BACKFLOW_FUNCTIONS_SELECTION

#include <algorithm>

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Clamp : OfReals {};  ///< within params[0] and params[1], neither NaN

/// NaN where one of the operands is, as Minimum.
struct Maximum : OfAll {
  template <class T>
  static T of(T a, T b) {
    return std::max(a, b);
  }
};

struct Minimum : OfAll {
  template <class T>
  static T of(T a, T b) {
    return std::min(a, b);
  }
};

/// Of dy and x: dy where x lies between the bounds params[0] and params[1] or on one of them, else 0.
struct ClampBackward : OfReals {};
struct HardtanhBackward : OfReals {};  ///< the same without the bounds themselves; dy where x is NaN

using UnarySelection = List<Clamp>;
using BinarySelection = List<Maximum, Minimum, ClampBackward, HardtanhBackward>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Clamp> {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>* params, V x) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Min(hn::Max(x, hn::Set(d, params[0])), hn::Set(d, params[1])));
  }
};

template <>
struct VectorForm<functions::Maximum> {
  template <class D, class V>
  static HWY_INLINE V of(D, V a, V b) {
    return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), hn::Max(a, b));
  }
};

template <>
struct VectorForm<functions::Minimum> {
  template <class D, class V>
  static HWY_INLINE V of(D, V a, V b) {
    return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), hn::Min(a, b));
  }
};

template <>
struct VectorForm<functions::ClampBackward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>* params, V dy, V x) {
    return hn::IfThenElseZero(hn::And(hn::Ge(x, hn::Set(d, params[0])), hn::Le(x, hn::Set(d, params[1]))), dy);
  }
};

template <>
struct VectorForm<functions::HardtanhBackward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>* params, V dy, V x) {
    const auto outside = hn::Or(hn::Le(x, hn::Set(d, params[0])), hn::Ge(x, hn::Set(d, params[1])));
    return hn::IfThenElse(outside, hn::Zero(d), dy);
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
