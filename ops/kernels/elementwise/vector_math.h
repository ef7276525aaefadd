// Vector functions that the loops share; compiled once for each instruction set.
#if defined(BACKFLOW_VECTOR_MATH_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_VECTOR_MATH_TOGGLE
#undef BACKFLOW_VECTOR_MATH_TOGGLE
#else
#define BACKFLOW_VECTOR_MATH_TOGGLE
#endif

#include <cmath>
#include <cstddef>
#include <limits>

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

/// A vector of one number.
template <class D>
HWY_INLINE auto number(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}

/// v where y > 0 or y is NaN, else 0: relu's gradient, and relu itself where v is y.
template <class D, class V>
HWY_INLINE V where_positive(D d, V v, V y) {
  return hn::IfThenZeroElse(hn::Le(y, hn::Zero(d)), v);
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

#if HWY_TARGET <= HWY_AVX3
// y 2^q for a whole number q, with one rounding: AVX-512 has an instruction for it, which Highway does not show.
HWY_INLINE hn::Vec512<float> scale(hn::Vec512<float> y, hn::Vec512<float> q) {
  return hn::Vec512<float>{_mm512_scalef_ps(y.raw, q.raw)};
}
HWY_INLINE hn::Vec512<double> scale(hn::Vec512<double> y, hn::Vec512<double> q) {
  return hn::Vec512<double>{_mm512_scalef_pd(y.raw, q.raw)};
}
#endif

#if HWY_TARGET <= HWY_AVX3
/// e^(x + low) as (1 + rest) 2^q.
template <class V>
struct SplitExponential {
  V rest;
  V q;
};

/// x = q ln(2) + r, and r + r^2 P(r) with P fitted for the smallest relative error of the exponential (3e-9 and 4e-18).
/// With scale() that is half as many instructions as Highway's.
template <class D, class V>
HWY_INLINE SplitExponential<V> split_exponential(D d, V x, V low) {
  const V q = hn::Round(hn::Mul(x, number(d, 1.4426950408889634)));
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const V high = hn::NegMulAdd(q, number(d, 0.693145751953125), x);
    const V r = hn::Add(hn::NegMulAdd(q, number(d, 1.428606765330187e-06), high), low);
    const V p = polynomial(d, r, {0.49999994, 0.16666521, 0.041668482, 0.008368741, 0.0013809053});
    return {hn::MulAdd(hn::Mul(r, r), p, r), q};
  } else {
    const V high = hn::NegMulAdd(q, number(d, 6.93147180369123816490e-01), x);
    const V r = hn::Add(hn::NegMulAdd(q, number(d, 1.90821492927058770002e-10), high), low);
    const V p = polynomial(d, r,
                           {0.5000000000000011, 0.16666666666666421, 0.04166666666652925, 0.008333333333488095,
                            0.0013888888943916844, 0.00019841269521516403, 2.4801492769193348e-05,
                            2.7557572297727826e-06, 2.763037472971181e-07, 2.500469869047698e-08});
    return {hn::MulAdd(hn::Mul(r, r), p, r), q};
  }
}
#endif

/// e^(x + low) for x in [-104, 89], or [-746, 710] in float64, and |low| < 1e-4.
template <class D, class V>
HWY_INLINE V exp_within(D d, V x, V low) {
#if HWY_TARGET <= HWY_AVX3
  const auto [rest, q] = split_exponential(d, x, low);
  return scale(hn::Add(rest, number(d, 1)), q);
#else
  const V y = hn::Exp(d, x);
  return hn::MulAdd(hn::Min(y, number(d, std::numeric_limits<hn::TFromD<D>>::max())), low, y);
#endif
}

/// e^x for x <= 89, or 710 in float64; anything for NaN.
template <class D, class V>
HWY_INLINE V exp_of_negative(D d, V x) {
  const V zero_from = number(d, sizeof(hn::TFromD<D>) == 4 ? -104 : -746);
  return exp_within(d, hn::Max(x, zero_from), hn::Zero(d));
}

/// e^x.
template <class D, class V>
HWY_INLINE V exp_of(D d, V x) {
  const V infinite_from = number(d, sizeof(hn::TFromD<D>) == 4 ? 89 : 710);
  return hn::IfThenElse(hn::IsNaN(x), x, exp_of_negative(d, hn::Min(x, infinite_from)));
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
