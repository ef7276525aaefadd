#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include <backflow/ops/kernels/loops.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/unary_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/vector_math_internal.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <Unary kF, class D, class V>
HWY_INLINE V apply(D d, V x, [[maybe_unused]] const hn::TFromD<D>* params) {
  const V zero = hn::Zero(d);
  const V one = hn::Set(d, hn::TFromD<D>{1});
  if constexpr (kF == Unary::Neg) {
    return hn::Neg(x);
  } else if constexpr (kF == Unary::Abs) {
    return hn::Abs(x);
  } else if constexpr (kF == Unary::Sign) {
    return hn::Sub(hn::IfThenElseZero(hn::Gt(x, zero), one), hn::IfThenElseZero(hn::Lt(x, zero), one));
  } else if constexpr (kF == Unary::Exp) {
    return exp_of(d, x);
  } else if constexpr (kF == Unary::Log) {
    return by_lane(d, x, x, [](auto a, auto) { return std::log(a); });
  } else if constexpr (kF == Unary::Sqrt) {
    return hn::Sqrt(x);
  } else if constexpr (kF == Unary::Sin || kF == Unary::Cos) {
    return sine_of<kF == Unary::Sin>(d, x);
  } else if constexpr (kF == Unary::Relu) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Max(x, zero));
  } else if constexpr (kF == Unary::Tanh) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Tanh(d, x));
  } else {
    return hn::Div(one, hn::Add(one, exp_of(d, hn::Neg(x))));
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
