// Exponentials, logarithms, powers and the error function.
#ifndef BACKFLOW_FUNCTIONS_EXPONENTIALS
#define BACKFLOW_FUNCTIONS_EXPONENTIALS

#include <cstdint>

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Exp : OfReals {};
struct Expm1 : OfReals {};
struct Exp2 : OfReals {};
struct Log : OfReals {};
struct Log1p : OfReals {};
struct Log2 : OfReals {};
struct Log10 : OfReals {};
struct Logit : OfReals {};  ///< of x within params[0] and 1 - params[0], or of x itself where params[0] < 0

struct Pow : OfNumbers {
  /// By squaring, wrapping. 1/a^-b rounded towards zero for negative b.
  template <class T>
  static T of(T a, T b) {
    if (b < T{0}) {
      return a == T{1} ? T{1} : a == static_cast<T>(-1) ? static_cast<T>(b % 2 == 0 ? 1 : -1) : T{0};
    }
    auto base = static_cast<std::uint64_t>(a);
    std::uint64_t result = 1;
    for (auto left = static_cast<std::uint64_t>(b); left != 0; left >>= 1U) {
      result = (left & 1U) != 0 ? result * base : result;
      base *= base;
    }
    return static_cast<T>(result);
  }
};

struct Xlogy : OfReals {};  ///< a log(b), 0 where a = 0

struct PowBackward : OfReals {};     ///< of dy, x, w: dy w x^(w - 1), the gradient of x; 0 where w = 0
struct PowBackward1 : OfReals {};    ///< of dy, x^w, x: dy x^w log(x), the gradient of w; 0 where x = 0 and w >= 0
struct XlogyBackward1 : OfReals {};  ///< of dy, x, w: dy x / w, the gradient of w; 0 where x = 0

struct Erf : OfReals {};
struct Erfc : OfReals {};

using UnaryExponentials = List<Exp, Expm1, Exp2, Log, Log1p, Log2, Log10, Logit, Erf, Erfc>;
using BinaryExponentials = List<Pow, Xlogy>;
using TernaryExponentials = List<PowBackward, PowBackward1, XlogyBackward1>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

HWY_INLINE auto form(functions::Exp, auto d, auto x) { return exp_of(d, x); }
HWY_INLINE auto form(functions::Expm1, auto d, auto x) { return expm1_of(d, x); }

HWY_INLINE auto form(functions::Exp2, auto d, auto x) {
  return by_lane(d, x, x, [](auto a, auto) { return std::exp2(a); });
}

HWY_INLINE auto form(functions::Log, auto d, auto x) { return log_of(d, x); }
HWY_INLINE auto form(functions::Log1p, auto d, auto x) { return log1p_of(d, x); }

/// Exact for powers of two.
template <class D, class V>
HWY_INLINE V form(functions::Log2, D d, V x) {
  const auto [m, e] = split(d, x);
  return with_poles(d, x, hn::MulAdd(hn::Log(d, m), number(d, 1.4426950408889634), e));
}

template <class D, class V>
HWY_INLINE V form(functions::Log10, D d, V x) {
  constexpr bool kSingle = sizeof(hn::TFromD<D>) == 4;
  // log10(2) in two parts, of which e times the first is exact.
  constexpr double kHigh = kSingle ? 0x1.344p-2 : 3.01029995663611771306e-01;
  constexpr double kLow = kSingle ? 0.30102999566398120 - kHigh : 3.69423907715893078616e-13;
  const auto [m, e] = split(d, x);
  const V low = hn::MulAdd(hn::Log(d, m), number(d, 0.43429448190325183), hn::Mul(e, number(d, kLow)));
  return with_poles(d, x, hn::MulAdd(e, number(d, kHigh), low));
}

template <class D, class V>
HWY_INLINE V form(functions::Logit, D d, const hn::TFromD<D>* params, V x) {
  const V one = number(d, 1);
  const V low = hn::Set(d, params[0]);
  const V inner =
      hn::IfThenElse(hn::Lt(x, low), low, hn::IfThenElse(hn::Gt(x, hn::Sub(one, low)), hn::Sub(one, low), x));
  const V kept = hn::IfThenElse(hn::Ge(low, hn::Zero(d)), inner, x);
  return log_of(d, hn::Div(kept, hn::Sub(one, kept)));
}

HWY_INLINE auto form(functions::Pow, auto d, auto a, auto b) {
  return by_lane(d, a, b, [](auto x, auto y) { return std::pow(x, y); });
}

HWY_INLINE auto form(functions::Xlogy, auto d, auto a, auto b) {
  return by_lane(d, a, b, [](auto x, auto y) { return x == 0 && !std::isnan(y) ? x : x * std::log(y); });
}

template <class D, class V>
HWY_INLINE V form(functions::PowBackward, D d, V dy, V x, V w) {
  const V power = by_lane(d, x, w, [](auto a, auto b) { return b == 0 ? decltype(a){0} : std::pow(a, b - 1); });
  return hn::Mul(dy, hn::Mul(hn::IfThenElse(hn::Eq(power, hn::Zero(d)), finite(d, w), w), power));
}

template <class D, class V>
HWY_INLINE V form(functions::PowBackward1, D d, V dy, V y, V x) {
  const auto slope = [](auto power, auto a) {
    return (a == 0 && std::isfinite(power)) || power == 0 ? power * 0 : power * std::log(a);
  };
  return hn::Mul(dy, by_lane(d, y, x, slope));
}

template <class D, class V>
HWY_INLINE V form(functions::XlogyBackward1, D d, V dy, V x, V w) {
  const auto flat = hn::And(hn::Eq(x, hn::Zero(d)), hn::Eq(w, w));
  return hn::Mul(dy, hn::IfThenElse(flat, x, hn::Div(x, w)));
}

template <class D, class V>
HWY_INLINE V form(functions::Erf, D d, V x) {
  const V a = limited(d, x);
  const V near = erf_near_zero(d, a);
  const V far = hn::NegMulAdd(scaled_erfc(d, a), exp_of_square(d, a, 1), number(d, 1));
  const V y = hn::CopySign(hn::IfThenElse(hn::Lt(a, number(d, 1)), near, far), x);
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

template <class D, class V>
HWY_INLINE V form(functions::Erfc, D d, V x) {
  const V a = limited(d, x);
  const V tail = hn::Mul(scaled_erfc(d, a), exp_of_square(d, a, 1));
  const V far = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Sub(number(d, 2), tail), tail);
  const V y = hn::IfThenElse(hn::Lt(a, number(d, 0.5)), hn::Sub(number(d, 1), erf_near_zero(d, x)), far);
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
