// The angle of two coordinates.
#ifndef BACKFLOW_FUNCTIONS_COORDINATES
#define BACKFLOW_FUNCTIONS_COORDINATES

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Atan2 : OfReals {};
struct Atan2Backward : OfReals {};   ///< of dy, x, w: dy w / (x^2 + w^2), the gradient of x; 0 at the origin
struct Atan2Backward1 : OfReals {};  ///< of dy, x, w: -dy x / (x^2 + w^2), the gradient of w; 0 at the origin

using BinaryCoordinates = List<Atan2>;
using TernaryCoordinates = List<Atan2Backward, Atan2Backward1>;

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

/// dy w / (x^2 + w^2). Where the sum may have overflowed or lost digits, of x and w divided by the larger one.
template <class D, class V>
HWY_INLINE V angle_slope(D d, V dy, V x, V w) {
  constexpr bool kSingle = sizeof(hn::TFromD<D>) == 4;
  const V sum = hn::Add(hn::Mul(x, x), hn::Mul(w, w));
  const V y = hn::Mul(hn::Div(dy, sum), w);
  const auto safe =
      hn::And(hn::Gt(sum, number(d, kSingle ? 0x1p-90 : 0x1p-900)), hn::Lt(sum, number(d, kSingle ? 0x1p90 : 0x1p900)));
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

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
