// The angle and the length of two coordinates.
#ifndef BACKFLOW_FUNCTIONS_COORDINATES
#define BACKFLOW_FUNCTIONS_COORDINATES

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Atan2 : OfReals {};
struct Atan2Backward : OfReals {};   ///< of dy, x, w: dy w / (x^2 + w^2), the gradient of x; 0 at the origin
struct Atan2Backward1 : OfReals {};  ///< of dy, x, w: -dy x / (x^2 + w^2), the gradient of w; 0 at the origin

struct Hypot : OfReals {};          ///< sqrt(a^2 + b^2), as std::hypot: infinite where an operand is, even beside NaN
struct HypotBackward : OfReals {};  ///< of dy, x, w: dy x / sqrt(x^2 + w^2), the gradient of x; 0 at the origin

using BinaryCoordinates = List<Atan2, Hypot>;
using TernaryCoordinates = List<Atan2Backward, Atan2Backward1, HypotBackward>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Atan2> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return by_lane(d, a, b, [](auto x, auto w) { return std::atan2(x, w); });
  }
};

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

template <>
struct VectorForm<functions::Atan2Backward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V x, V w) {
    return angle_slope(d, dy, x, w);
  }
};

template <>
struct VectorForm<functions::Atan2Backward1> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V x, V w) {
    return hn::Neg(angle_slope(d, dy, w, x));
  }
};

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

template <>
struct VectorForm<functions::Hypot> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
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
};

/// At infinity 1 or -1, but NaN where both operands are infinite.
template <>
struct VectorForm<functions::HypotBackward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V x, V w) {
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
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
