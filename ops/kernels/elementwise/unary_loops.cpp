#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include <backflow/ops/kernels/elementwise/loops.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/elementwise/unary_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/activation_math.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Algebraic functions.
template <Unary kF, class D, class V>
HWY_INLINE V algebraic(D d, V x, [[maybe_unused]] const hn::TFromD<D>* params) {
  const V zero = hn::Zero(d);
  const V one = number(d, 1);
  if constexpr (kF == Unary::Neg) {
    return hn::Neg(x);
  } else if constexpr (kF == Unary::Abs) {
    return hn::Abs(x);
  } else if constexpr (kF == Unary::Sign) {
    return hn::Sub(hn::IfThenElseZero(hn::Gt(x, zero), one), hn::IfThenElseZero(hn::Lt(x, zero), one));
  } else if constexpr (kF == Unary::Relu) {
    return where_positive(d, x, x);
  } else if constexpr (kF == Unary::Sqrt) {
    return hn::Sqrt(x);
  } else if constexpr (kF == Unary::Rsqrt) {
    return hn::Div(one, hn::Sqrt(x));
  } else if constexpr (kF == Unary::Reciprocal) {
    return hn::Div(one, x);
  } else if constexpr (kF == Unary::Floor) {
    return hn::CopySign(hn::Floor(x), x);  // zeros keep the sign, which some instruction sets lose
  } else if constexpr (kF == Unary::Ceil) {
    return hn::CopySign(hn::Ceil(x), x);
  } else if constexpr (kF == Unary::Round) {
    return hn::CopySign(hn::Round(x), x);
  } else if constexpr (kF == Unary::RoundTo) {
    const V up = hn::Set(d, params[0]);
    const V down = hn::Set(d, params[1]);
    return hn::Mul(hn::Div(hn::Round(hn::Div(hn::Mul(x, up), down)), up), down);
  } else if constexpr (kF == Unary::Trunc) {
    return hn::CopySign(hn::Trunc(x), x);
  } else if constexpr (kF == Unary::Frac) {
    return hn::Sub(x, hn::Trunc(x));
  } else {
    static_assert(kF == Unary::Clamp);
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Min(hn::Max(x, hn::Set(d, params[0])), hn::Set(d, params[1])));
  }
}

/// Asin, Acos or Atan. Highway's hold where the result is a number.
template <Unary kF, class D, class V>
HWY_INLINE V arc(D d, V x) {
  if constexpr (kF == Unary::Atan) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Atan(d, x));
  } else {
    const V y = kF == Unary::Asin ? hn::Asin(d, x) : hn::Acos(d, x);
    return hn::IfThenElse(hn::Le(hn::Abs(x), number(d, 1)), y, nan(d));
  }
}

template <Unary kF, class D, class V>
HWY_INLINE V transcendental(D d, V x, [[maybe_unused]] const hn::TFromD<D>* params) {
  if constexpr (kF == Unary::Exp) {
    return exp_of(d, x);
  } else if constexpr (kF == Unary::Expm1) {
    return expm1_of(d, x);
  } else if constexpr (kF == Unary::Exp2) {
    return by_lane(d, x, x, [](auto a, auto) { return std::exp2(a); });
  } else if constexpr (kF == Unary::Log) {
    return log_of(d, x);
  } else if constexpr (kF == Unary::Log1p) {
    return log1p_of(d, x);
  } else if constexpr (kF == Unary::Log2) {
    return log2_of(d, x);
  } else if constexpr (kF == Unary::Log10) {
    return log10_of(d, x);
  } else if constexpr (kF == Unary::Sin || kF == Unary::Cos) {
    return sine_of<kF == Unary::Sin>(d, x);
  } else if constexpr (kF == Unary::Tan) {
    return tan_of(d, x);
  } else if constexpr (kF == Unary::Asin || kF == Unary::Acos || kF == Unary::Atan) {
    return arc<kF>(d, x);
  } else if constexpr (kF == Unary::Sinh) {
    return sinh_of(d, x);
  } else if constexpr (kF == Unary::Cosh) {
    return cosh_of(d, x);
  } else if constexpr (kF == Unary::Tanh) {
    return tanh_of(d, x);
  } else if constexpr (kF == Unary::Asinh) {
    return asinh_of(d, x);
  } else if constexpr (kF == Unary::Acosh) {
    return acosh_of(d, x);
  } else if constexpr (kF == Unary::Atanh) {
    return atanh_of(d, x);
  } else if constexpr (kF == Unary::Erf) {
    return erf_of(d, x);
  } else if constexpr (kF == Unary::Erfc) {
    return erfc_of(d, x);
  } else {
    static_assert(kF == Unary::Logit);
    return logit_of(d, x, hn::Set(d, params[0]));
  }
}

template <Unary kF, class D, class V>
HWY_INLINE V apply(D d, V x, const hn::TFromD<D>* params) {
  if constexpr (kF >= Unary::Sigmoid) {
    return activation<kF>(d, x, params);
  } else if constexpr (kF <= Unary::Relu || (kF >= Unary::Sqrt && kF <= Unary::Clamp)) {
    return algebraic<kF>(d, x, params);
  } else {
    return transcendental<kF>(d, x, params);
  }
}

template <Unary kF, class T>
void row(const T* x, T* y, std::size_t n, const T* params) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(apply<kF>(d, hn::LoadU(d, x + i), params), d, y + i);
  }
  if (i < n) {
    store_part(apply<kF>(d, load_part(d, x + i, n - i), params), d, y + i, n - i);
  }
}

template <class T>
using UnaryTable = std::array<UnaryLoop<T>, static_cast<std::size_t>(Unary::Count)>;

template <class T>
UnaryLoop<T> loop_of(Unary f) {
  static constexpr auto kTable = []<std::size_t... kFs>(std::index_sequence<kFs...>) {
    return UnaryTable<T>{row<static_cast<Unary>(kFs), T>...};
  }
  (std::make_index_sequence<static_cast<std::size_t>(Unary::Count)>());
  return kTable[static_cast<std::size_t>(f)];
}

UnaryLoop<float> float_unary_loop(Unary f) { return loop_of<float>(f); }
UnaryLoop<double> double_unary_loop(Unary f) { return loop_of<double>(f); }
const char* target() { return hwy::TargetName(HWY_TARGET); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_unary_loop);
HWY_EXPORT(double_unary_loop);
HWY_EXPORT(target);

template <>
UnaryLoop<float> unary_loop<float>(Unary f) {
  return HWY_DYNAMIC_DISPATCH(float_unary_loop)(f);
}

template <>
UnaryLoop<double> unary_loop<double>(Unary f) {
  return HWY_DYNAMIC_DISPATCH(double_unary_loop)(f);
}

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(target)(); }

}  // namespace backflow::kernels
#endif
