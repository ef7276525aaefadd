// The sigmoid and its logarithm's part, of vectors; compiled once for each instruction set.
#if defined(BACKFLOW_VECTOR_SIGMOID_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_VECTOR_SIGMOID_TOGGLE
#undef BACKFLOW_VECTOR_SIGMOID_TOGGLE
#else
#define BACKFLOW_VECTOR_SIGMOID_TOGGLE
#endif

#include <backflow/ops/kernels/elementwise/vector_functions.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

/// factor / (1 + e^-x), from e^-|x|, which does not overflow. Where x is NaN, NaN only if the factor is.
template <class D, class V>
HWY_INLINE V share(D d, V factor, V x) {
  const V one = number(d, 1);
  const V e = exp_of_negative(d, hn::Neg(hn::Abs(x)));
  const V numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(factor, e), factor);
  return hn::Div(numerator, hn::Add(one, e));
}

/// The same, NaN where x is.
template <class D, class V>
HWY_INLINE V times_sigmoid(D d, V factor, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, share(d, factor, x));
}

template <class D, class V>
HWY_INLINE V sigmoid_of(D d, V x) {
  return times_sigmoid(d, number(d, 1), x);
}

/// log(1 + e^x) for x <= 0.
template <class D, class V>
HWY_INLINE V log1p_exp(D d, V x) {
  return log1p_of(d, exp_of_negative(d, x));
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
