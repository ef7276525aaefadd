// Rounding. Zeros keep the sign, which some instruction sets lose.
#ifndef BACKFLOW_FUNCTIONS_ROUNDING
#define BACKFLOW_FUNCTIONS_ROUNDING

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Floor : OfReals {};
struct Ceil : OfReals {};
struct Round : OfReals {};    ///< ties to even
struct RoundTo : OfReals {};  ///< Round(x params[0] / params[1]) params[1] / params[0]
struct Trunc : OfReals {};
struct Frac : OfReals {};

using UnaryRounding = List<Floor, Ceil, Round, RoundTo, Trunc, Frac>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Floor> {
  template <class D, class V>
  static HWY_INLINE V of(D, V x) {
    return hn::CopySign(hn::Floor(x), x);
  }
};

template <>
struct VectorForm<functions::Ceil> {
  template <class D, class V>
  static HWY_INLINE V of(D, V x) {
    return hn::CopySign(hn::Ceil(x), x);
  }
};

template <>
struct VectorForm<functions::Round> {
  template <class D, class V>
  static HWY_INLINE V of(D, V x) {
    return hn::CopySign(hn::Round(x), x);
  }
};

template <>
struct VectorForm<functions::RoundTo> {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>* params, V x) {
    const V up = hn::Set(d, params[0]);
    const V down = hn::Set(d, params[1]);
    return hn::Mul(hn::Div(hn::Round(hn::Div(hn::Mul(x, up), down)), up), down);
  }
};

template <>
struct VectorForm<functions::Trunc> {
  template <class D, class V>
  static HWY_INLINE V of(D, V x) {
    return hn::CopySign(hn::Trunc(x), x);
  }
};

template <>
struct VectorForm<functions::Frac> {
  template <class D, class V>
  static HWY_INLINE V of(D, V x) {
    return hn::Sub(x, hn::Trunc(x));
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
