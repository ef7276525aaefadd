// The error function and its complement.
#ifndef BACKFLOW_FUNCTIONS_ERROR_FUNCTION
#define BACKFLOW_FUNCTIONS_ERROR_FUNCTION

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Erf : OfReals {};
struct Erfc : OfReals {};

using UnaryErrorFunction = List<Erf, Erfc>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Erf> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    const V a = limited(d, x);
    const V near = erf_near_zero(d, a);
    const V far = hn::NegMulAdd(scaled_erfc(d, a), exp_of_square(d, a, 1), number(d, 1));
    const V y = hn::CopySign(hn::IfThenElse(hn::Lt(a, number(d, 1)), near, far), x);
    return hn::IfThenElse(hn::IsNaN(x), x, y);
  }
};

template <>
struct VectorForm<functions::Erfc> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    const V a = limited(d, x);
    const V tail = hn::Mul(scaled_erfc(d, a), exp_of_square(d, a, 1));
    const V far = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Sub(number(d, 2), tail), tail);
    const V y = hn::IfThenElse(hn::Lt(a, number(d, 0.5)), hn::Sub(number(d, 1), erf_near_zero(d, x)), far);
    return hn::IfThenElse(hn::IsNaN(x), x, y);
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
