// Logarithms, trigonometric and hyperbolic functions of vectors, with C's values at 0, infinities and NaN; compiled
// once for each instruction set.
#if defined(BACKFLOW_VECTOR_FUNCTIONS_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_VECTOR_FUNCTIONS_TOGGLE
#undef BACKFLOW_VECTOR_FUNCTIONS_TOGGLE
#else
#define BACKFLOW_VECTOR_FUNCTIONS_TOGGLE
#endif

#include <cstdint>
#include <limits>

#include <backflow/ops/kernels/elementwise/vector_math.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <class D>
HWY_INLINE auto infinity(D d) {
  return number(d, std::numeric_limits<double>::infinity());
}
template <class D>
HWY_INLINE auto nan(D d) {
  return number(d, std::numeric_limits<double>::quiet_NaN());
}

/// Whether Min and Max give the second operand where one is NaN, as the instructions of x86 do, but not the emulation.
inline constexpr bool kSecondOfNan = HWY_ARCH_X86 != 0 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR;

/// The lowest number for -infinity, else x. The order of the operands matters: NaN stays.
template <class D, class V>
HWY_INLINE V at_least_lowest(D d, V x) {
  const V y = hn::Max(hn::Set(d, std::numeric_limits<hn::TFromD<D>>::lowest()), x);
  return kSecondOfNan ? y : hn::IfThenElse(hn::IsNaN(x), x, y);
}

/// x with the largest numbers in the place of infinities, of which a product with 0 is 0; NaN stays.
template <class D, class V>
HWY_INLINE V finite(D d, V x) {
  const V y = hn::Min(hn::Set(d, std::numeric_limits<hn::TFromD<D>>::max()), at_least_lowest(d, x));
  return kSecondOfNan ? y : hn::IfThenElse(hn::IsNaN(x), x, y);
}

/// `y`, a logarithm of x > 0, and what logarithms are elsewhere.
template <class D, class V>
HWY_INLINE V with_poles(D d, V x, V y) {
  const V zero = hn::Zero(d);
  const V end = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity(d)), hn::IfThenElse(hn::Lt(x, zero), nan(d), x));
  return hn::IfThenElse(hn::And(hn::Gt(x, zero), hn::Lt(x, infinity(d))), y, end);
}

template <class D, class V>
HWY_INLINE V log_of(D d, V x) {
  return with_poles(d, x, hn::Log(d, x));
}

/// log(1 + x): the logarithm of the rounded sum, and what the rounding lost.
template <class D, class V>
HWY_INLINE V log1p_of(D d, V x) {
  const V one = number(d, 1);
  const V sum = hn::Add(x, one);
  const V y = hn::Add(hn::Log(d, sum), hn::Div(hn::Sub(x, hn::Sub(sum, one)), sum));
  return hn::IfThenElse(hn::Eq(sum, one), x, with_poles(d, sum, y));
}

/// x > 0 as m 2^e with sqrt(1/2) <= m < sqrt(2).
template <class V>
struct Split {
  V m;
  V e;
};

template <class D, class V>
HWY_INLINE Split<V> split(D d, V x) {
  constexpr bool kSingle = sizeof(hn::TFromD<D>) == 4;
  using Bits = hwy::MakeSigned<hn::TFromD<D>>;
  const hn::Rebind<Bits, D> di;
  const auto denormal = hn::Lt(x, number(d, kSingle ? 0x1p-126 : 0x1p-1022));
  const auto bits = hn::BitCast(di, hn::IfThenElse(denormal, hn::Mul(x, number(d, 0x1p54)), x));
  const auto root_of_half = hn::Set(di, static_cast<Bits>(kSingle ? 0x3F3504F3 : 0x3FE6A09E667F3BCC));
  constexpr int kMantissa = kSingle ? 23 : 52;
  const auto e = hn::ShiftRight<kMantissa>(hn::Sub(bits, root_of_half));
  const V m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<kMantissa>(e)));
  return {m, hn::Sub(hn::ConvertTo(d, e), hn::IfThenElseZero(denormal, number(d, 54)))};
}

/// Exact for powers of two.
template <class D, class V>
HWY_INLINE V log2_of(D d, V x) {
  const auto [m, e] = split(d, x);
  return with_poles(d, x, hn::MulAdd(hn::Log(d, m), number(d, 1.4426950408889634), e));
}

template <class D, class V>
HWY_INLINE V log10_of(D d, V x) {
  constexpr bool kSingle = sizeof(hn::TFromD<D>) == 4;
  // log10(2) in two parts, of which e times the first is exact.
  constexpr double kHigh = kSingle ? 0x1.344p-2 : 3.01029995663611771306e-01;
  constexpr double kLow = kSingle ? 0.30102999566398120 - kHigh : 3.69423907715893078616e-13;
  const auto [m, e] = split(d, x);
  const V low = hn::MulAdd(hn::Log(d, m), number(d, 0.43429448190325183), hn::Mul(e, number(d, kLow)));
  return with_poles(d, x, hn::MulAdd(e, number(d, kHigh), low));
}

/// e^x - 1.
template <class D, class V>
HWY_INLINE V expm1_of(D d, V x) {
  constexpr bool kSingle = sizeof(hn::TFromD<D>) == 4;
  const V kept = hn::Min(hn::Max(x, number(d, kSingle ? -104 : -746)), number(d, kSingle ? 89 : 710));
#if HWY_TARGET <= HWY_AVX3
  // Of half the result, so that 2^(q - 1) is finite.
  const auto [rest, q] = split_exponential(d, kept, hn::Zero(d));
  const V half = scale(number(d, 0.5), q);
  const V sum = hn::MulAdd(half, rest, hn::Sub(half, number(d, 0.5)));
  const V y = hn::Add(sum, sum);
#else
  const V y = hn::Expm1(d, kept);
#endif
  return hn::IfThenElse(hn::Or(hn::Lt(hn::Abs(x), number(d, 1e-30)), hn::IsNaN(x)), x, y);
}

/// For |x| < 1 the sum of x^n / n!, n = 1, 3, ..., 17; beyond, half of e^x - e^-x from powers of e^(|x|/2), which are
/// finite wherever the result is.
template <class D, class V>
HWY_INLINE V sinh_of(D d, V x) {
  const V a = hn::Abs(x);
  const V square = hn::Mul(x, x);
  const V sum = polynomial(d, square,
                           {1.0 / 6, 1.0 / 120, 1.0 / 5040, 1.0 / 362880, 1.0 / 39916800, 1.0 / 6227020800,
                            1.0 / 1307674368000, 1.0 / 355687428096000});
  const V near = hn::MulAdd(hn::Mul(square, a), sum, a);
  const V half = number(d, 0.5);
  const V root = exp_of(d, hn::Mul(a, half));
  const V grown = hn::Mul(hn::Mul(root, half), root);
  const V far = hn::Sub(grown, hn::Div(half, hn::Mul(root, root)));
  return hn::CopySign(hn::IfThenElse(hn::Lt(a, number(d, 1)), near, far), x);
}

template <class D, class V>
HWY_INLINE V cosh_of(D d, V x) {
  const V half = number(d, 0.5);
  const V root = exp_of(d, hn::Mul(hn::Abs(x), half));
  return hn::Add(hn::Mul(hn::Mul(root, half), root), hn::Div(half, hn::Mul(root, root)));
}

/// float32: x + x^3 P(x^2) below 0.65, with P fitted for the smallest relative error (7e-9), else (1 - e^-2x) / (1 +
/// e^-2x).
template <class D, class V>
HWY_INLINE V tanh_of(D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Tanh(d, x));
  } else {
    const V a = hn::Abs(x);
    const V square = hn::Mul(x, x);
    const V near = hn::MulAdd(
        hn::Mul(square, a), polynomial(d, square, {-0.3333326, 0.13330847, -0.05368924, 0.020472879, -0.005518531}), a);
    const V one = number(d, 1);
    const V e = exp_of_negative(d, hn::Mul(a, number(d, -2)));
    const V far = hn::Div(hn::Sub(one, e), hn::Add(one, e));
    const V y = hn::CopySign(hn::IfThenElse(hn::Lt(a, number(d, 0.65)), near, far), x);
    return hn::IfThenElse(hn::IsNaN(x), x, y);
  }
}

template <class D, class V>
HWY_INLINE V asinh_of(D d, V x) {
  const V a = hn::Abs(x);
  const V one = number(d, 1);
  const V root = hn::Sqrt(hn::MulAdd(a, a, one));
  const auto large = hn::Gt(a, number(d, 0x1p60));
  const V argument = hn::IfThenElse(large, a, hn::MulAdd(a, hn::Div(a, hn::Add(one, root)), a));
  const V y = hn::Add(log1p_of(d, argument), hn::IfThenElseZero(large, number(d, 0.69314718055994531)));
  return hn::CopySign(y, x);
}

template <class D, class V>
HWY_INLINE V acosh_of(D d, V x) {
  const V t = hn::Sub(x, number(d, 1));
  const auto large = hn::Gt(x, number(d, 0x1p60));
  const V root = hn::Sqrt(hn::Mul(t, hn::Add(t, number(d, 2))));
  const V argument = hn::IfThenElse(large, x, hn::Add(t, root));
  const V y = hn::Add(log1p_of(d, argument), hn::IfThenElseZero(large, number(d, 0.69314718055994531)));
  return hn::IfThenElse(hn::Lt(x, number(d, 1)), nan(d), y);
}

/// log((1 + x) / (1 - x)) / 2.
template <class D, class V>
HWY_INLINE V atanh_of(D d, V x) {
  const V a = hn::Abs(x);
  const V ratio = hn::Div(hn::Add(a, a), hn::Sub(number(d, 1), a));
  const V y = hn::CopySign(hn::Mul(number(d, 0.5), log1p_of(d, ratio)), x);
  return hn::IfThenElse(hn::Gt(a, number(d, 1)), nan(d), y);
}

template <class D, class V>
HWY_INLINE V tan_of(D d, V x) {
  return hn::Div(sine_of<true>(d, x), sine_of<false>(d, x));
}

/// log(x / (1 - x)) with x kept within [low, 1 - low] where low >= 0.
template <class D, class V>
HWY_INLINE V logit_of(D d, V x, V low) {
  const V one = number(d, 1);
  const V inner =
      hn::IfThenElse(hn::Lt(x, low), low, hn::IfThenElse(hn::Gt(x, hn::Sub(one, low)), hn::Sub(one, low), x));
  const V kept = hn::IfThenElse(hn::Ge(low, hn::Zero(d)), inner, x);
  return log_of(d, hn::Div(kept, hn::Sub(one, kept)));
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
