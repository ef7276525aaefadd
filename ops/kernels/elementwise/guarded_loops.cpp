#include <backflow/ops/kernels/elementwise/guarded_loops.h>

#include <array>
#include <cmath>
#include <utility>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/elementwise/guarded_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/row_loops.h>
#include <backflow/ops/kernels/elementwise/vector_functions.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// From here on x^2 + 1 is x^2 in every dtype; soon after, it overflows in float32.
inline constexpr double kFar = 0x1p32;

/// dy / sqrt(1 - x^2), from factors that have no rounding of x^2 in them.
template <class D, class V>
HWY_INLINE V arcsine_slope(D d, V dy, V x) {
  const V one = number(d, 1);
  return hn::Div(dy, hn::Sqrt(hn::Mul(hn::Sub(one, x), hn::Add(one, x))));
}

template <Guarded kF>
struct Function {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>*, V dy, V x) {
    const V one = number(d, 1);
    const V a = hn::Abs(x);
    const auto far = hn::Gt(a, number(d, kFar));
    if constexpr (kF == Guarded::Softsign) {
      return hn::IfThenElse(hn::Eq(a, infinity(d)), hn::CopySign(one, x), hn::Div(x, hn::Add(a, one)));
    } else if constexpr (kF == Guarded::SoftsignBackward) {
      const V divisor = hn::Add(a, one);
      return hn::Div(hn::Div(dy, divisor), divisor);
    } else if constexpr (kF == Guarded::AsinBackward) {
      return arcsine_slope(d, dy, x);
    } else if constexpr (kF == Guarded::AcosBackward) {
      return hn::Neg(arcsine_slope(d, dy, x));
    } else if constexpr (kF == Guarded::AtanBackward) {
      return hn::IfThenElse(far, hn::Div(hn::Div(dy, x), x), hn::Div(dy, hn::Add(hn::Mul(x, x), one)));
    } else if constexpr (kF == Guarded::AsinhBackward) {
      return hn::Div(dy, hn::IfThenElse(far, a, hn::Sqrt(hn::Add(hn::Mul(x, x), one))));
    } else if constexpr (kF == Guarded::AcoshBackward) {
      const V root = hn::Sqrt(hn::Mul(hn::Sub(x, one), hn::Add(x, one)));
      return hn::Div(dy, hn::IfThenElse(hn::Gt(x, number(d, kFar)), x, hn::IfThenElse(hn::Lt(x, one), nan(d), root)));
    } else {
      static_assert(kF == Guarded::AtanhBackward);
      return hn::Div(dy, hn::Mul(hn::Sub(one, x), hn::Add(one, x)));
    }
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

template <GuardedOfTwo kF>
struct FunctionOfTwo {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>*, V dy, V x, V w) {
    if constexpr (kF == GuardedOfTwo::Atan2Backward) {
      return angle_slope(d, dy, x, w);
    } else if constexpr (kF == GuardedOfTwo::Atan2Backward1) {
      return hn::Neg(angle_slope(d, dy, w, x));
    } else if constexpr (kF == GuardedOfTwo::PowBackward) {
      const V power = by_lane(d, x, w, [](auto a, auto b) { return b == 0 ? decltype(a){0} : std::pow(a, b - 1); });
      return hn::Mul(dy, hn::Mul(hn::IfThenElse(hn::Eq(power, hn::Zero(d)), finite(d, w), w), power));
    } else if constexpr (kF == GuardedOfTwo::PowBackward1) {
      const auto slope = [](auto y, auto a) {
        return (a == 0 && std::isfinite(y)) || y == 0 ? y * 0 : y * std::log(a);
      };
      return hn::Mul(dy, by_lane(d, x, w, slope));
    } else {
      static_assert(kF == GuardedOfTwo::XlogyBackward1);
      const auto flat = hn::And(hn::Eq(x, hn::Zero(d)), hn::Eq(w, w));
      return hn::Mul(dy, hn::IfThenElse(flat, x, hn::Div(x, w)));
    }
  }
};

template <class T>
BinaryLoop<T> loop_of(Guarded f) {
  static constexpr auto kTable = []<std::size_t... kFs>(std::index_sequence<kFs...>) {
    return std::array<BinaryLoop<T>, sizeof...(kFs)>{binary_row<Function<static_cast<Guarded>(kFs)>, T>...};
  }
  (std::make_index_sequence<static_cast<std::size_t>(Guarded::Count)>());
  return kTable[static_cast<std::size_t>(f)];
}

template <class T>
TernaryLoop<T> loop_of(GuardedOfTwo f) {
  static constexpr auto kTable = []<std::size_t... kFs>(std::index_sequence<kFs...>) {
    return std::array<TernaryLoop<T>, sizeof...(kFs)>{ternary_row<FunctionOfTwo<static_cast<GuardedOfTwo>(kFs)>, T>...};
  }
  (std::make_index_sequence<static_cast<std::size_t>(GuardedOfTwo::Count)>());
  return kTable[static_cast<std::size_t>(f)];
}

BinaryLoop<float> float_loop(Guarded f) { return loop_of<float>(f); }
BinaryLoop<double> double_loop(Guarded f) { return loop_of<double>(f); }
TernaryLoop<float> float_loop_of_two(GuardedOfTwo f) { return loop_of<float>(f); }
TernaryLoop<double> double_loop_of_two(GuardedOfTwo f) { return loop_of<double>(f); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_loop);
HWY_EXPORT(double_loop);
HWY_EXPORT(float_loop_of_two);
HWY_EXPORT(double_loop_of_two);

template <>
BinaryLoop<float> guarded_loop<float>(Guarded f) {
  return HWY_DYNAMIC_DISPATCH(float_loop)(f);
}

template <>
BinaryLoop<double> guarded_loop<double>(Guarded f) {
  return HWY_DYNAMIC_DISPATCH(double_loop)(f);
}

template <>
TernaryLoop<float> guarded_loop<float>(GuardedOfTwo f) {
  return HWY_DYNAMIC_DISPATCH(float_loop_of_two)(f);
}

template <>
TernaryLoop<double> guarded_loop<double>(GuardedOfTwo f) {
  return HWY_DYNAMIC_DISPATCH(double_loop_of_two)(f);
}

}  // namespace backflow::kernels
#endif
