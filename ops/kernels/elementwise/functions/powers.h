// Powers, and the logarithm that their gradient needs.
#ifndef BACKFLOW_FUNCTIONS_POWERS
#define BACKFLOW_FUNCTIONS_POWERS

#include <cstdint>

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

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

using BinaryPowers = List<Pow, Xlogy>;
using TernaryPowers = List<PowBackward, PowBackward1, XlogyBackward1>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Pow> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return by_lane(d, a, b, [](auto x, auto y) { return std::pow(x, y); });
  }
};

template <>
struct VectorForm<functions::Xlogy> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return by_lane(d, a, b, [](auto x, auto y) { return x == 0 && !std::isnan(y) ? x : x * std::log(y); });
  }
};

template <>
struct VectorForm<functions::PowBackward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V x, V w) {
    const V power = by_lane(d, x, w, [](auto a, auto b) { return b == 0 ? decltype(a){0} : std::pow(a, b - 1); });
    return hn::Mul(dy, hn::Mul(hn::IfThenElse(hn::Eq(power, hn::Zero(d)), finite(d, w), w), power));
  }
};

template <>
struct VectorForm<functions::PowBackward1> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V y, V x) {
    const auto slope = [](auto power, auto a) {
      return (a == 0 && std::isfinite(power)) || power == 0 ? power * 0 : power * std::log(a);
    };
    return hn::Mul(dy, by_lane(d, y, x, slope));
  }
};

template <>
struct VectorForm<functions::XlogyBackward1> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V x, V w) {
    const auto flat = hn::And(hn::Eq(x, hn::Zero(d)), hn::Eq(w, w));
    return hn::Mul(dy, hn::IfThenElse(flat, x, hn::Div(x, w)));
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
