// Vector functions that the loops share; compiled once for each instruction set.
#if defined(BACKFLOW_VECTOR_MATH_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_VECTOR_MATH_TOGGLE
#undef BACKFLOW_VECTOR_MATH_TOGGLE
#else
#define BACKFLOW_VECTOR_MATH_TOGGLE
#endif

#include <cmath>
#include <cstddef>

#include <hwy/highway.h>
// After highway.h: it is compiled for each instruction set too.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Applies a function of numbers to each lane: for what has no vector form.
template <class D, class V, class F>
HWY_INLINE V by_lane(D d, V a, V b, F f) {
  using T = hn::TFromD<D>;
  alignas(64) T la[hn::MaxLanes(d)];
  alignas(64) T lb[hn::MaxLanes(d)];
  hn::Store(a, d, la);
  hn::Store(b, d, lb);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) {
    la[i] = f(la[i], lb[i]);
  }
  return hn::Load(d, la);
}

/// e^x. Highway's polynomial gives finite numbers for NaN, and zero far beyond the largest x whose result is finite.
template <class D, class V>
HWY_INLINE V exp_of(D d, V x) {
  using T = hn::TFromD<D>;
  const V infinite = hn::Set(d, sizeof(T) == 4 ? T{100} : T{720});
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, hn::Min(x, infinite)));
}

/// A vector of one number.
template <class D>
HWY_INLINE auto number(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}

/// The polynomial c[0] + c[1] x + c[2] x^2 + ..., by Horner's scheme.
template <class D, class V, std::size_t kN>
HWY_INLINE V polynomial(D d, V x, const double (&c)[kN]) {
  V y = number(d, c[kN - 1]);
  for (std::size_t i = kN - 1; i > 0; --i) {
    y = hn::MulAdd(y, x, number(d, c[i - 1]));
  }
  return y;
}

/// Sine or cosine. Highway's reduction of the argument holds up to 39000; beyond that, and for NaN, the library's.
template <bool kSine, class D, class V>
HWY_INLINE V sine_of(D d, V x) {
  const auto near = hn::Le(hn::Abs(x), hn::Set(d, hn::TFromD<D>{30000}));
  const V y = kSine ? hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, hn::Sin(d, x)) : hn::Cos(d, x);
  if (hn::AllTrue(d, near)) {
    return y;
  }
  return hn::IfThenElse(near, y, by_lane(d, x, x, [](auto a, auto) { return kSine ? std::sin(a) : std::cos(a); }));
}

/// The first `n` elements at p in the lowest lanes, n < Lanes; the others are zero.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE auto load_part(D d, const T* p, std::size_t n) {
#if !HWY_MEM_OPS_MIGHT_FAULT
  return hn::MaskedLoad(hn::FirstN(d, n), d, p);
#else
  alignas(64) T lanes[hn::MaxLanes(d)] = {};
  for (std::size_t i = 0; i < n; ++i) {
    lanes[i] = p[i];
  }
  return hn::Load(d, lanes);
#endif
}

template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void store_part(V v, D d, T* p, std::size_t n) {
#if !HWY_MEM_OPS_MIGHT_FAULT
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
#else
  alignas(64) T lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  for (std::size_t i = 0; i < n; ++i) {
    p[i] = lanes[i];
  }
#endif
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
