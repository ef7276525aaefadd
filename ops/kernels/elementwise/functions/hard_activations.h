// Activations made of straight pieces.
#ifndef BACKFLOW_FUNCTIONS_HARD_ACTIVATIONS
#define BACKFLOW_FUNCTIONS_HARD_ACTIVATIONS

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Hardsigmoid : OfReals {};
struct Hardswish : OfReals {};
struct Hardshrink : OfReals {};  ///< 0 within params[0] of 0, else x
struct Softshrink : OfReals {};  ///< 0 within params[0] of 0, else x that much nearer to 0
struct Threshold : OfReals {};   ///< params[1] up to params[0], x above
struct Prelu : OfReals {};       ///< of x and the slope w: w x up to 0, x above

// Gradients, of dy and x, with the forward's params.
struct HardsigmoidBackward : OfReals {};
struct HardswishBackward : OfReals {};
struct ShrinkBackward : OfReals {};  ///< of Hardshrink and Softshrink
struct ThresholdBackward : OfReals {};
struct PreluBackward : OfReals {};        ///< of dy, x and the slope w: w dy where x is up to 0, dy where it is above
struct PreluWeightBackward : OfReals {};  ///< of dy and x: the gradient of the slope

using UnaryHardActivations = List<Hardsigmoid, Hardswish, Hardshrink, Softshrink, Threshold>;
using BinaryHardActivations =
    List<HardsigmoidBackward, HardswishBackward, ShrinkBackward, ThresholdBackward, Prelu, PreluWeightBackward>;
using TernaryHardActivations = List<PreluBackward>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <class D, class V>
HWY_INLINE V form(functions::Hardsigmoid, D d, V x) {
  const V kept = hn::Min(hn::Max(hn::Add(x, number(d, 3)), hn::Zero(d)), number(d, 6));
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Div(kept, number(d, 6)));
}

template <class D, class V>
HWY_INLINE V form(functions::Hardswish, D d, V x) {
  const V factor = hn::Max(x, number(d, -3));
  const V y = hn::Div(hn::Mul(factor, hn::Min(hn::Add(factor, number(d, 3)), number(d, 6))), number(d, 6));
  return hn::IfThenElse(hn::Le(x, number(d, 1e30)), y, x);  // six times a large number is infinite
}

HWY_INLINE auto form(functions::Hardshrink, auto d, const auto* params, auto x) {
  return hn::IfThenZeroElse(hn::Le(hn::Abs(x), hn::Set(d, params[0])), x);
}

template <class D, class V>
HWY_INLINE V form(functions::Softshrink, D d, const hn::TFromD<D>* params, V x) {
  const V width = hn::Set(d, params[0]);
  return hn::IfThenZeroElse(hn::Le(hn::Abs(x), width), hn::Sub(x, hn::CopySign(width, x)));
}

HWY_INLINE auto form(functions::Threshold, auto d, const auto* params, auto x) {
  return hn::IfThenElse(hn::Le(x, hn::Set(d, params[0])), hn::Set(d, params[1]), x);
}

HWY_INLINE auto form(functions::HardsigmoidBackward, auto d, auto dy, auto x) {
  return hn::IfThenElseZero(hn::Lt(hn::Abs(x), number(d, 3)), hn::Div(dy, number(d, 6)));
}

template <class D, class V>
HWY_INLINE V form(functions::HardswishBackward, D d, V dy, V x) {
  const V middle = hn::Mul(dy, hn::Add(hn::Div(x, number(d, 3)), number(d, 0.5)));
  const V right = hn::IfThenElse(hn::Le(x, number(d, 3)), middle, dy);
  return hn::IfThenElse(hn::Lt(x, number(d, -3)), hn::Zero(d), right);
}

HWY_INLINE auto form(functions::ShrinkBackward, auto d, const auto* params, auto dy, auto x) {
  return hn::IfThenZeroElse(hn::Le(hn::Abs(x), hn::Set(d, params[0])), dy);
}

HWY_INLINE auto form(functions::ThresholdBackward, auto d, const auto* params, auto dy, auto x) {
  return hn::IfThenZeroElse(hn::Le(x, hn::Set(d, params[0])), dy);
}

HWY_INLINE auto form(functions::Prelu, auto d, auto x, auto w) {
  return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(w, x));
}

HWY_INLINE auto form(functions::PreluWeightBackward, auto d, auto dy, auto x) {
  return hn::IfThenZeroElse(hn::Gt(x, hn::Zero(d)), hn::Mul(dy, x));
}

HWY_INLINE auto form(functions::PreluBackward, auto d, auto dy, auto x, auto w) {
  return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), dy, hn::Mul(w, dy));
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
