// Sums, products and quotients, roots, rounding, and the bits of integers.
#ifndef BACKFLOW_FUNCTIONS_ARITHMETIC
#define BACKFLOW_FUNCTIONS_ARITHMETIC

#include <cstdint>
#include <type_traits>

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

/// x as an unsigned integer of its width: results wrap.
template <class T>
auto wrapping(T x) {
  return static_cast<std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>>>(x);
}

template <class T>
T negative(T x) {
  return static_cast<T>(0U - wrapping(x));
}

/// Rounded towards zero; w is not 0. The quotient of the smallest integer and -1 wraps.
template <class T>
T quotient(T x, T w) {
  if (std::is_signed_v<T> && w == static_cast<T>(-1)) {
    return negative(x);
  }
  return static_cast<T>(x / w);
}

template <class T>
T rest(T x, T w) {
  return std::is_signed_v<T> && w == static_cast<T>(-1) ? T{0} : static_cast<T>(x % w);
}

struct Add : OfAll {
  static auto of(auto a, auto b) { return wrapping(a) + wrapping(b); }
};

struct Sub : OfNumbers {
  static auto of(auto a, auto b) { return wrapping(a) - wrapping(b); }
};

struct Mul : OfAll {
  static auto of(auto a, auto b) { return wrapping(a) * wrapping(b); }
};

struct Div : OfReals {};
struct Addcmul : OfReals {};  ///< a + params[0] b c
struct Addcdiv : OfReals {};  ///< a + params[0] b / c
struct Lerp : OfReals {};     ///< a + c (b - a), from the nearer end, so that both ends are exact

struct Neg : OfNumbers {
  static auto of(auto x) { return negative(x); }
};

struct Abs : OfNumbers {
  static auto of(auto x) { return x < 0 ? negative(x) : x; }
};

struct Sign : OfAll {
  template <class T>
  static auto of(T x) {
    return (x > T{0}) - (x < T{0});
  }
};

struct Sqrt : OfReals {};
struct Rsqrt : OfReals {};
struct Reciprocal : OfReals {};

/// The quotient rounded down.
struct FloorDivide : OfNumbers {
  static auto of(auto a, auto b) { return quotient(a, b) - (rest(a, b) != 0 && (a < 0) != (b < 0)); }
};

/// The quotient rounded towards zero.
struct TruncDivide : OfNumbers {
  static auto of(auto a, auto b) { return quotient(a, b); }
};

/// a - b TruncDivide(a, b), as std::fmod.
struct Fmod : OfNumbers {
  static auto of(auto a, auto b) { return rest(a, b); }
};

/// a - b FloorDivide(a, b), as Python's %.
struct Remainder : OfNumbers {
  static auto of(auto a, auto b) {
    const auto r = rest(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
  }
};

struct Floor : OfReals {};
struct Ceil : OfReals {};
struct Round : OfReals {};    ///< ties to even
struct RoundTo : OfReals {};  ///< Round(x params[0] / params[1]) params[1] / params[0]
struct Trunc : OfReals {};
struct Frac : OfReals {};

struct BitAnd : OfIntegers {
  static auto of(auto a, auto b) { return a & b; }
};

struct BitOr : OfIntegers {
  static auto of(auto a, auto b) { return a | b; }
};

struct BitXor : OfIntegers {
  static auto of(auto a, auto b) { return a ^ b; }
};

using UnaryArithmetic = List<Neg, Abs, Sign, Sqrt, Rsqrt, Reciprocal, Floor, Ceil, Round, RoundTo, Trunc, Frac>;
using BinaryArithmetic = List<Add, Sub, Mul, Div, FloorDivide, TruncDivide, Fmod, Remainder, BitAnd, BitOr, BitXor>;
using TernaryArithmetic = List<Addcmul, Addcdiv, Lerp>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

HWY_INLINE auto form(functions::Add, auto, auto a, auto b) { return hn::Add(a, b); }
HWY_INLINE auto form(functions::Sub, auto, auto a, auto b) { return hn::Sub(a, b); }
HWY_INLINE auto form(functions::Mul, auto, auto a, auto b) { return hn::Mul(a, b); }
HWY_INLINE auto form(functions::Div, auto, auto a, auto b) { return hn::Div(a, b); }

HWY_INLINE auto form(functions::Addcmul, auto d, const auto* params, auto a, auto b, auto c) {
  return hn::Add(a, hn::Mul(hn::Set(d, params[0]), hn::Mul(b, c)));
}

HWY_INLINE auto form(functions::Addcdiv, auto d, const auto* params, auto a, auto b, auto c) {
  return hn::Add(a, hn::Mul(hn::Set(d, params[0]), hn::Div(b, c)));
}

template <class D, class V>
HWY_INLINE V form(functions::Lerp, D d, V a, V b, V c) {
  using T = hn::TFromD<D>;
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

HWY_INLINE auto form(functions::Neg, auto, auto x) { return hn::Neg(x); }
HWY_INLINE auto form(functions::Abs, auto, auto x) { return hn::Abs(x); }

template <class D, class V>
HWY_INLINE V form(functions::Sign, D d, V x) {
  const V zero = hn::Zero(d);
  const V one = number(d, 1);
  return hn::Sub(hn::IfThenElseZero(hn::Gt(x, zero), one), hn::IfThenElseZero(hn::Lt(x, zero), one));
}

HWY_INLINE auto form(functions::Sqrt, auto, auto x) { return hn::Sqrt(x); }
HWY_INLINE auto form(functions::Rsqrt, auto d, auto x) { return hn::Div(number(d, 1), hn::Sqrt(x)); }
HWY_INLINE auto form(functions::Reciprocal, auto d, auto x) { return hn::Div(number(d, 1), x); }

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

HWY_INLINE auto form(functions::FloorDivide, auto d, auto a, auto b) {
  return by_lane(d, a, b, [](auto x, auto w) { return floor_divide(x, w); });
}

HWY_INLINE auto form(functions::TruncDivide, auto, auto a, auto b) { return hn::Trunc(hn::Div(a, b)); }

HWY_INLINE auto form(functions::Fmod, auto d, auto a, auto b) {
  return by_lane(d, a, b, [](auto x, auto w) { return std::fmod(x, w); });
}

HWY_INLINE auto form(functions::Remainder, auto d, auto a, auto b) {
  return by_lane(d, a, b, [](auto x, auto w) { return remainder(x, w); });
}

HWY_INLINE auto form(functions::Floor, auto, auto x) { return hn::CopySign(hn::Floor(x), x); }
HWY_INLINE auto form(functions::Ceil, auto, auto x) { return hn::CopySign(hn::Ceil(x), x); }
HWY_INLINE auto form(functions::Round, auto, auto x) { return hn::CopySign(hn::Round(x), x); }

template <class D, class V>
HWY_INLINE V form(functions::RoundTo, D d, const hn::TFromD<D>* params, V x) {
  const V up = hn::Set(d, params[0]);
  const V down = hn::Set(d, params[1]);
  return hn::Mul(hn::Div(hn::Round(hn::Div(hn::Mul(x, up), down)), up), down);
}

HWY_INLINE auto form(functions::Trunc, auto, auto x) { return hn::CopySign(hn::Trunc(x), x); }
HWY_INLINE auto form(functions::Frac, auto, auto x) { return hn::Sub(x, hn::Trunc(x)); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
