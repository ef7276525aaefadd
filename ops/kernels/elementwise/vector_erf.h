// Parts of the error function and the normal distribution of vectors; compiled once for each instruction set.
#if defined(BACKFLOW_VECTOR_ERF_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_VECTOR_ERF_TOGGLE
#undef BACKFLOW_VECTOR_ERF_TOGGLE
#else
#define BACKFLOW_VECTOR_ERF_TOGGLE
#endif

#include <backflow/ops/kernels/elementwise/vector_math.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

// All polynomials were fitted in 60 digits for the smallest largest relative error, by least squares in Chebyshev nodes
// whose weights are raised where the error is large (Lawson's algorithm).

/// factor e^(z^2) erfc(z) with z = a inner >= 0: t P(1 - 2 k t) with t = 1 / (z + k), which maps [0, infinity) to [-1,
/// 1), where the function is smooth (Shepherd and Laframboise, 1981). Relative error 9e-9 (float32, z < 10.5) and 8e-18
/// (z < 28).
template <class D, class V>
HWY_INLINE V scaled_erfc(D d, V a, double factor = 1, double inner = 1) {
  // The factor is in t.
  const V one = number(d, 1);
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const V t = hn::Div(number(d, factor), hn::MulAdd(a, number(d, inner), number(d, 2.5)));
    return hn::Mul(t, polynomial(d, hn::NegMulAdd(number(d, 5 / factor), t, one),
                                 {1.0540318, -0.80465174, 0.4539142, -0.17125484, 0.028360065, 0.008422252,
                                  -0.004801038, -0.00052594644, 0.0006245726, 0.000139838}));
  } else {
    const V t = hn::Div(number(d, factor), hn::MulAdd(a, number(d, inner), number(d, 3.5)));
    return hn::Mul(
        t, polynomial(d, hn::NegMulAdd(number(d, 7 / factor), t, one),
                      {1.08705558926226,       -0.9377997245671119,    0.6941136466346454,      -0.4352560267169013,
                       0.22573862164736103,    -0.09231870663812514,   0.02651861988268603,     -0.003177050347368653,
                       -0.001305354702685395,  0.0007145317188454075,  -4.2062096835804374e-05, -7.477722452555165e-05,
                       1.8646927185516427e-05, 7.244474491100859e-06,  -3.391387459589583e-06,  -7.967433922435174e-07,
                       5.495843951988189e-07,  1.1624356301980633e-07, -8.273725483816024e-08,  -2.159224591479387e-08,
                       8.772874289404951e-09,  3.179943047978976e-09}));
  }
}

/// erf(x) / x - 1 for |x| < 1 as a polynomial of the square of x. Relative error 1e-9 (float32) and 7e-18.
template <class D, class V>
HWY_INLINE V erf_ratio(D d, V square) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    return polynomial(d, square,
                      {0.12837915, -0.37612626, 0.112835854, -0.026853828, 0.005188363, -0.00080105365, 7.855072e-05});
  } else {
    return polynomial(d, square,
                      {0.12837916709551257, -0.3761263890318352, 0.11283791670944197, -0.026866170643114334,
                       0.00522397760614654, -0.0008548325930823152, 0.00012055293625677986, -1.4924713291629664e-05,
                       1.6447144264461682e-06, -1.6206413687761e-07, 1.3711421129484155e-08, -7.780302261971255e-10});
  }
}

/// a^2 - square, exactly, where `square` is the rounded a^2.
template <class D, class V>
HWY_INLINE V lost_of_square(D d, V a, V square) {
#if !HWY_NATIVE_FMA
  // Without fused products: from halves of a whose products are exact (Dekker, 1971).
  using Bits = hwy::MakeUnsigned<hn::TFromD<D>>;
  const hn::Rebind<Bits, D> du;
  const auto upper = hn::Set(du, static_cast<Bits>(~Bits{0} << (sizeof(Bits) == 4 ? 12 : 27)));
  const V high = hn::BitCast(d, hn::And(hn::BitCast(du, a), upper));
  const V low = hn::Sub(a, high);
  const V middle = hn::Add(hn::Sub(hn::Mul(high, high), square), hn::Mul(hn::Add(high, high), low));
  return hn::Add(middle, hn::Mul(low, low));
#else
  static_cast<void>(d);
  return hn::MulSub(a, a, square);
#endif
}

/// e^(-factor a^2) for a power of two `factor`. The rounding of the square, which the exponential would magnify, is
/// made good.
template <class D, class V>
HWY_INLINE V exp_of_square(D d, V a, double factor) {
  const V negative = number(d, -factor);
  const V zero_from = number(d, sizeof(hn::TFromD<D>) == 4 ? -104 : -746);
  const V square = hn::Mul(a, a);
  const V low = hn::Mul(lost_of_square(d, a, square), negative);
  return exp_within(d, hn::Max(hn::Mul(square, negative), zero_from), low);
}

/// |x|, but no more than where erfc(x / sqrt(2)) is zero, so that squares stay finite.
template <class D, class V>
HWY_INLINE V limited(D d, V x) {
  return hn::Min(hn::Abs(x), number(d, sizeof(hn::TFromD<D>) == 4 ? 14.8 : 39.5));
}

template <class D, class V>
HWY_INLINE V erf_near_zero(D d, V x) {
  return hn::MulAdd(x, erf_ratio(d, hn::Mul(x, x)), x);
}

/// The normal distribution at x: its density, and the probability of less than x, both with a small relative error in
/// the tails.
template <class V>
struct Normal {
  V density;
  V probability;
};

template <class D, class V>
HWY_INLINE Normal<V> normal(D d, V x) {
  const V a = limited(d, x);
  const V falling = exp_of_square(d, a, 0.5);
  const V above = hn::Mul(falling, scaled_erfc(d, a, 0.5, 0.70710678118654752));
  const V below = hn::Sub(number(d, 1), above);
  return {hn::Mul(falling, number(d, 0.39894228040143268)), hn::IfThenElse(hn::Lt(x, hn::Zero(d)), above, below)};
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
