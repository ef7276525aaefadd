// Logarithms and e^x - 1 of vectors, with C's values at 0, infinities and NaN; compiled once for each instruction set.
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

/// From here on x^2 + 1 is x^2 in every dtype; soon after, it overflows in float32.
inline constexpr double kFar = 0x1p32;

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
struct MantissaAndExponent {
  V m;
  V e;
};

template <class D, class V>
HWY_INLINE MantissaAndExponent<V> split(D d, V x) {
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

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
