// Trigonometric functions, of radians, their inverses, and the angle and the length of two coordinates.
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

struct Atan2 : OfReals {};
struct Atan2Backward : OfReals {};   ///< of dy, x, w: dy w / (x^2 + w^2), the gradient of x; 0 at the origin
struct Atan2Backward1 : OfReals {};  ///< of dy, x, w: -dy x / (x^2 + w^2), the gradient of w; 0 at the origin

struct Hypot : OfReals {};          ///< sqrt(a^2 + b^2), as std::hypot: infinite where an operand is, even beside NaN
struct HypotBackward : OfReals {};  ///< of dy, x, w: dy x / sqrt(x^2 + w^2), the gradient of x; 0 at the origin

using UnaryTrigonometry = List<Sin, Cos, Tan, Asin, Acos, Atan>;
using BinaryTrigonometry = List<AsinBackward, AcosBackward, AtanBackward, Atan2, Hypot>;
using TernaryTrigonometry = List<Atan2Backward, Atan2Backward1, HypotBackward>;

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

HWY_INLINE auto form(functions::Sin, auto d, auto x) { return sine_of<true>(d, x); }
HWY_INLINE auto form(functions::Cos, auto d, auto x) { return sine_of<false>(d, x); }
HWY_INLINE auto form(functions::Tan, auto d, auto x) { return hn::Div(sine_of<true>(d, x), sine_of<false>(d, x)); }
HWY_INLINE auto form(functions::Asin, auto d, auto x) { return within_one(d, x, hn::Asin(d, x)); }
HWY_INLINE auto form(functions::Acos, auto d, auto x) { return within_one(d, x, hn::Acos(d, x)); }
HWY_INLINE auto form(functions::Atan, auto d, auto x) { return hn::IfThenElse(hn::IsNaN(x), x, hn::Atan(d, x)); }

/// dy / sqrt(1 - x^2), from factors that have no rounding of x^2 in them.
template <class D, class V>
HWY_INLINE V arcsine_slope(D d, V dy, V x) {
  const V one = number(d, 1);
  return hn::Div(dy, hn::Sqrt(hn::Mul(hn::Sub(one, x), hn::Add(one, x))));
}

HWY_INLINE auto form(functions::AsinBackward, auto d, auto dy, auto x) { return arcsine_slope(d, dy, x); }
HWY_INLINE auto form(functions::AcosBackward, auto d, auto dy, auto x) { return hn::Neg(arcsine_slope(d, dy, x)); }

template <class D, class V>
HWY_INLINE V form(functions::AtanBackward, D d, V dy, V x) {
  const auto far = hn::Gt(hn::Abs(x), number(d, kFar));
  return hn::IfThenElse(far, hn::Div(hn::Div(dy, x), x), hn::Div(dy, hn::Add(hn::Mul(x, x), number(d, 1))));
}

HWY_INLINE auto form(functions::Atan2, auto d, auto a, auto b) {
  return by_lane(d, a, b, [](auto x, auto w) { return std::atan2(x, w); });
}

/// Whether x^2 + w^2 has neither overflowed nor lost digits; false for NaN.
template <class D, class V>
HWY_INLINE auto is_safe_sum(D d, V sum) {
  constexpr bool kSingle = sizeof(hn::TFromD<D>) == 4;
  return hn::And(hn::Gt(sum, number(d, kSingle ? 0x1p-90 : 0x1p-900)),
                 hn::Lt(sum, number(d, kSingle ? 0x1p90 : 0x1p900)));
}

/// dy w / (x^2 + w^2). Where the sum may have overflowed or lost digits, of x and w divided by the larger one.
template <class D, class V>
HWY_INLINE V angle_slope(D d, V dy, V x, V w) {
  const V sum = hn::Add(hn::Mul(x, x), hn::Mul(w, w));
  const V y = hn::Mul(hn::Div(dy, sum), w);
  const auto safe = is_safe_sum(d, sum);
  if (hn::AllTrue(d, safe)) {
    return y;
  }
  const V zero = hn::Zero(d);
  const V larger = hn::Max(hn::Abs(x), hn::Abs(w));
  const V a = hn::Div(x, larger);
  const V b = hn::Div(w, larger);
  const V scaled = hn::Div(hn::Mul(dy, hn::Div(b, hn::Add(hn::Mul(a, a), hn::Mul(b, b)))), larger);
  const auto flat = hn::And(hn::Eq(sum, sum), hn::Or(hn::Eq(larger, zero), hn::Eq(larger, infinity(d))));  // not NaN
  return hn::IfThenElse(safe, y, hn::IfThenElse(flat, hn::Mul(dy, zero), scaled));
}

HWY_INLINE auto form(functions::Atan2Backward, auto d, auto dy, auto x, auto w) { return angle_slope(d, dy, x, w); }

HWY_INLINE auto form(functions::Atan2Backward1, auto d, auto dy, auto x, auto w) {
  return hn::Neg(angle_slope(d, dy, w, x));
}

/// Powers of two that bring operands whose sum of squares is not safe to where it is. One of them is 1: `up` is for
/// small operands, `down` for large ones.
template <class V>
struct Rescaling {
  V up;
  V down;
};

/// Every number times 2^-66 is less than 2^62, and the smallest one times 2^100 is 2^-49; in float64 likewise.
template <class D, class V>
HWY_INLINE Rescaling<V> rescaling(D d, V sum) {
  constexpr bool kSingle = sizeof(hn::TFromD<D>) == 4;
  const V one = number(d, 1);
  const auto large = hn::Gt(sum, one);
  return {hn::IfThenElse(large, one, number(d, kSingle ? 0x1p100 : 0x1p700)),
          hn::IfThenElse(large, number(d, kSingle ? 0x1p-66 : 0x1p-514), one)};
}

/// sqrt(x^2 + w^2) up down, finite where the operands are.
template <class V>
HWY_INLINE V rescaled_length(Rescaling<V> by, V x, V w) {
  const V a = hn::Mul(hn::Mul(x, by.up), by.down);
  const V b = hn::Mul(hn::Mul(w, by.up), by.down);
  return hn::Sqrt(hn::Add(hn::Mul(a, a), hn::Mul(b, b)));
}

template <class D, class V>
HWY_INLINE V form(functions::Hypot, D d, V a, V b) {
  const V sum = hn::Add(hn::Mul(a, a), hn::Mul(b, b));
  const V y = hn::Sqrt(sum);
  const auto safe = is_safe_sum(d, sum);
  if (hn::AllTrue(d, safe)) {
    return y;
  }
  const auto by = rescaling(d, sum);
  const V scaled = hn::Div(rescaled_length(by, a, b), hn::Mul(by.up, by.down));
  const auto infinite = hn::Or(hn::Eq(hn::Abs(a), infinity(d)), hn::Eq(hn::Abs(b), infinity(d)));
  return hn::IfThenElse(safe, y, hn::IfThenElse(infinite, infinity(d), scaled));
}

/// At infinity 1 or -1, but NaN where both operands are infinite.
template <class D, class V>
HWY_INLINE V form(functions::HypotBackward, D d, V dy, V x, V w) {
  const V sum = hn::Add(hn::Mul(x, x), hn::Mul(w, w));
  const V slope = hn::Div(x, hn::Sqrt(sum));
  const auto safe = is_safe_sum(d, sum);
  if (hn::AllTrue(d, safe)) {
    return hn::Mul(dy, slope);
  }
  // A small x beside a large w is not scaled down before the quotient: that would cost digits.
  const auto by = rescaling(d, sum);
  const V length = rescaled_length(by, x, w);
  const V divisor = hn::IfThenElse(hn::Eq(length, hn::Zero(d)), number(d, 1), length);
  const V scaled = hn::Mul(hn::Div(hn::Mul(x, by.up), divisor), by.down);
  const auto end = hn::And(hn::Eq(hn::Abs(x), infinity(d)), hn::Lt(hn::Abs(w), infinity(d)));
  return hn::Mul(dy, hn::IfThenElse(safe, slope, hn::IfThenElse(end, hn::CopySign(number(d, 1), x), scaled)));
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
