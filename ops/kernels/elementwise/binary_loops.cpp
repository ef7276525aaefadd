#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include <backflow/ops/kernels/elementwise/loops.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/elementwise/binary_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/activation_math.h>
#include <backflow/ops/kernels/elementwise/row_loops.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Python's x % w: of the sign of w.
template <class T>
T remainder(T x, T w) {
  const T rest = std::fmod(x, w);
  return rest != 0 && (w < 0) != (rest < 0) ? rest + w : rest;
}

/// Python's x // w: so that x = w floor_divide(x, w) + remainder(x, w) holds up to rounding.
template <class T>
T floor_divide(T x, T w) {
  if (w == 0 || std::isinf(x)) {
    return x / w;
  }
  const T rest = std::fmod(x, w);
  T quotient = (x - rest) / w;
  if (rest != 0 && (w < 0) != (rest < 0)) {
    quotient -= 1;
  }
  if (quotient == 0) {
    return std::copysign(T{0}, x / w);
  }
  const T whole = std::floor(quotient);
  return quotient - whole > T{0.5} ? whole + 1 : whole;
}

template <Binary kF, class D, class V>
HWY_INLINE V apply([[maybe_unused]] D d, V a, V b, [[maybe_unused]] const hn::TFromD<D>* params) {
  const V zero = hn::Zero(d);
  const V one = hn::Set(d, hn::TFromD<D>{1});
  if constexpr (kF >= Binary::LeakyReluBackward && kF <= Binary::ThresholdBackward) {
    return activation_gradient<kF>(d, a, b, params);
  } else if constexpr (kF >= Binary::Prelu) {
    return gated<kF>(d, a, b);
  } else if constexpr (kF == Binary::Add) {
    return hn::Add(a, b);
  } else if constexpr (kF == Binary::Sub) {
    return hn::Sub(a, b);
  } else if constexpr (kF == Binary::Mul) {
    return hn::Mul(a, b);
  } else if constexpr (kF == Binary::Maximum) {
    return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), hn::Max(a, b));
  } else if constexpr (kF == Binary::Minimum) {
    return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), hn::Min(a, b));
  } else if constexpr (kF == Binary::FloorDivide) {
    return by_lane(d, a, b, [](auto x, auto w) { return floor_divide(x, w); });
  } else if constexpr (kF == Binary::TruncDivide) {
    return hn::Trunc(hn::Div(a, b));
  } else if constexpr (kF == Binary::Fmod) {
    return by_lane(d, a, b, [](auto x, auto w) { return std::fmod(x, w); });
  } else if constexpr (kF == Binary::Remainder) {
    return by_lane(d, a, b, [](auto x, auto w) { return remainder(x, w); });
  } else if constexpr (kF == Binary::BitAnd || kF == Binary::BitOr || kF == Binary::BitXor) {
    return zero;  // never called: has() says no
  } else if constexpr (kF == Binary::Div) {
    return hn::Div(a, b);
  } else if constexpr (kF == Binary::Atan2) {
    return by_lane(d, a, b, [](auto x, auto w) { return std::atan2(x, w); });
  } else if constexpr (kF == Binary::Pow) {
    return by_lane(d, a, b, [](auto x, auto y) { return std::pow(x, y); });
  } else if constexpr (kF == Binary::Xlogy) {
    return by_lane(d, a, b, [](auto x, auto y) { return x == 0 && !std::isnan(y) ? x : x * std::log(y); });
  } else if constexpr (kF == Binary::Equal) {
    return hn::IfThenElseZero(hn::Eq(a, b), one);
  } else if constexpr (kF == Binary::GreaterEqual) {
    return hn::IfThenElseZero(hn::Ge(a, b), one);
  } else if constexpr (kF == Binary::LessEqual) {
    return hn::IfThenElseZero(hn::Le(a, b), one);
  } else if constexpr (kF == Binary::ReluBackward) {
    return where_positive(d, a, b);
  } else if constexpr (kF == Binary::TanhBackward) {
    return hn::Mul(a, hn::Sub(one, hn::Mul(b, b)));
  } else {
    static_assert(kF == Binary::SigmoidBackward);
    return hn::Mul(a, hn::Mul(b, hn::Sub(one, b)));
  }
}

template <Ternary kF, class D, class V>
HWY_INLINE V apply(D d, V a, V b, V c, const hn::TFromD<D>* params) {
  using T = hn::TFromD<D>;
  if constexpr (kF == Ternary::Addcmul) {
    return hn::Add(a, hn::Mul(hn::Set(d, params[0]), hn::Mul(b, c)));
  } else if constexpr (kF == Ternary::Addcdiv) {
    return hn::Add(a, hn::Mul(hn::Set(d, params[0]), hn::Div(b, c)));
  } else if constexpr (kF == Ternary::PreluBackward) {
    return hn::IfThenElse(hn::Gt(b, hn::Zero(d)), a, hn::Mul(c, a));
  } else if constexpr (kF == Ternary::GluBackward) {
    const V s = sigmoid_of(d, c);
    return hn::Mul(hn::Mul(a, b), hn::Mul(s, hn::Sub(hn::Set(d, T{1}), s)));
  } else {
    static_assert(kF == Ternary::Lerp);
    const V span = hn::Sub(b, a);
    const V back = hn::Sub(c, hn::Set(d, T{1}));  // from b to where y lies
    const auto is_near_a = hn::Lt(hn::Abs(c), hn::Set(d, T{0.5}));
    const V y = hn::Add(hn::IfThenElse(is_near_a, a, b), hn::Mul(hn::IfThenElse(is_near_a, c, back), span));
    const auto fits = hn::Le(hn::Abs(span), hn::Set(d, std::numeric_limits<T>::max()));
    if (hn::AllTrue(d, fits)) {
      return y;
    }
    // Each end keeps its own share, at the ends all of it.
    const V zero = hn::Zero(d);
    const V shares = hn::MulSub(b, c, hn::Mul(a, back));
    const V at_b = hn::IfThenElse(hn::And(hn::Eq(back, zero), hn::Eq(a, a)), b, shares);
    return hn::IfThenElse(fits, y, hn::IfThenElse(hn::And(hn::Eq(c, zero), hn::Eq(b, b)), a, at_b));
  }
}

/// The function kF as the loops take it.
template <auto kF>
struct Apply {
  template <class D, class... V>
  static HWY_INLINE auto of(D d, const hn::TFromD<D>* params, V... operands) {
    return apply<kF>(d, operands..., params);
  }
};

template <class T>
BinaryLoop<T> binary_loop_of(Binary f) {
  static constexpr auto kTable = []<std::size_t... kFs>(std::index_sequence<kFs...>) {
    return std::array<BinaryLoop<T>, sizeof...(kFs)>{binary_row<Apply<static_cast<Binary>(kFs)>, T>...};
  }
  (std::make_index_sequence<static_cast<std::size_t>(Binary::Count)>());
  const bool is_of_bits = f == Binary::BitAnd || f == Binary::BitOr || f == Binary::BitXor;
  return is_of_bits ? nullptr : kTable[static_cast<std::size_t>(f)];
}

template <class T>
TernaryLoop<T> ternary_loop_of(Ternary f) {
  static constexpr auto kTable = []<std::size_t... kFs>(std::index_sequence<kFs...>) {
    return std::array<TernaryLoop<T>, sizeof...(kFs)>{ternary_row<Apply<static_cast<Ternary>(kFs)>, T>...};
  }
  (std::make_index_sequence<static_cast<std::size_t>(Ternary::Count)>());
  return kTable[static_cast<std::size_t>(f)];
}

BinaryLoop<float> float_binary_loop(Binary f) { return binary_loop_of<float>(f); }
BinaryLoop<double> double_binary_loop(Binary f) { return binary_loop_of<double>(f); }
TernaryLoop<float> float_ternary_loop(Ternary f) { return ternary_loop_of<float>(f); }
TernaryLoop<double> double_ternary_loop(Ternary f) { return ternary_loop_of<double>(f); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_binary_loop);
HWY_EXPORT(double_binary_loop);
HWY_EXPORT(float_ternary_loop);
HWY_EXPORT(double_ternary_loop);

template <>
BinaryLoop<float> binary_loop<float>(Binary f) {
  return HWY_DYNAMIC_DISPATCH(float_binary_loop)(f);
}

template <>
BinaryLoop<double> binary_loop<double>(Binary f) {
  return HWY_DYNAMIC_DISPATCH(double_binary_loop)(f);
}

template <>
TernaryLoop<float> ternary_loop<float>(Ternary f) {
  return HWY_DYNAMIC_DISPATCH(float_ternary_loop)(f);
}

template <>
TernaryLoop<double> ternary_loop<double>(Ternary f) {
  return HWY_DYNAMIC_DISPATCH(double_ternary_loop)(f);
}

}  // namespace backflow::kernels
#endif
