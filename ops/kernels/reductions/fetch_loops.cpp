// Loops that convert and map what a reduction reads: plain ones, which the compiler turns into vectors for each
// instruction set.
#include <backflow/ops/kernels/reductions/fetch_loops.h>

#include <cmath>
#include <type_traits>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/reductions/fetch_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <Map kMap, class A, class T>
HWY_INLINE A mapped(T x, [[maybe_unused]] double power) {
  if constexpr (kMap == Map::NonZero) {
    return static_cast<A>(static_cast<ComputeType<T>>(x) != ComputeType<T>{0});
  } else if constexpr (!std::is_floating_point_v<A>) {
    return static_cast<A>(x);
  } else {
    const A v = static_cast<A>(static_cast<ComputeType<T>>(x));
    switch (kMap) {
      case Map::Abs:
        return std::abs(v);
      case Map::Square:
        return v * v;
      case Map::AbsPower:
        return std::pow(std::abs(v), static_cast<A>(power));
      default:
        return v;
    }
  }
}

template <Map kMap, class A, class T>
void fetch(const void* data, std::int64_t offset, std::int64_t stride, std::int64_t n, double power,
           A* HWY_RESTRICT block) {
  const T* HWY_RESTRICT x = static_cast<const T*>(data) + offset;
  if (stride == 1) {
    for (std::int64_t i = 0; i < n; ++i) {
      block[i] = mapped<kMap, A>(x[i], power);
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      block[i] = mapped<kMap, A>(x[i * stride], power);
    }
  }
}

template <class A>
Fetch<A> choose(ScalarType dtype, Map map) {
  return dispatch(dtype, [map](auto zero) -> Fetch<A> {
    using T = decltype(zero);
    constexpr Fetch<A> kLoops[] = {fetch<Map::None, A, T>, fetch<Map::NonZero, A, T>, fetch<Map::Abs, A, T>,
                                   fetch<Map::Square, A, T>, fetch<Map::AbsPower, A, T>};
    return kLoops[static_cast<int>(map)];
  });
}

Fetch<std::uint8_t> u8_fetch(ScalarType dtype, Map map) { return choose<std::uint8_t>(dtype, map); }
Fetch<std::int32_t> i32_fetch(ScalarType dtype, Map map) { return choose<std::int32_t>(dtype, map); }
Fetch<std::int64_t> i64_fetch(ScalarType dtype, Map map) { return choose<std::int64_t>(dtype, map); }
Fetch<float> f32_fetch(ScalarType dtype, Map map) { return choose<float>(dtype, map); }
Fetch<double> f64_fetch(ScalarType dtype, Map map) { return choose<double>(dtype, map); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(u8_fetch);
HWY_EXPORT(i32_fetch);
HWY_EXPORT(i64_fetch);
HWY_EXPORT(f32_fetch);
HWY_EXPORT(f64_fetch);

template <>
Fetch<std::uint8_t> fetch_loop<std::uint8_t>(ScalarType dtype, Map map) {
  return HWY_DYNAMIC_DISPATCH(u8_fetch)(dtype, map);
}
template <>
Fetch<std::int32_t> fetch_loop<std::int32_t>(ScalarType dtype, Map map) {
  return HWY_DYNAMIC_DISPATCH(i32_fetch)(dtype, map);
}
template <>
Fetch<std::int64_t> fetch_loop<std::int64_t>(ScalarType dtype, Map map) {
  return HWY_DYNAMIC_DISPATCH(i64_fetch)(dtype, map);
}
template <>
Fetch<float> fetch_loop<float>(ScalarType dtype, Map map) {
  return HWY_DYNAMIC_DISPATCH(f32_fetch)(dtype, map);
}
template <>
Fetch<double> fetch_loop<double>(ScalarType dtype, Map map) {
  return HWY_DYNAMIC_DISPATCH(f64_fetch)(dtype, map);
}

}  // namespace backflow::kernels
#endif
