// Sums, products and quotients.
#ifndef BACKFLOW_FUNCTIONS_ARITHMETIC
#define BACKFLOW_FUNCTIONS_ARITHMETIC

#include <backflow/ops/kernels/elementwise/functions/integers.h>
#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Add : OfAll {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  }
};

struct Sub : OfNumbers {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
  }
};

struct Mul : OfAll {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  }
};

struct Div : OfReals {};
struct Addcmul : OfReals {};  ///< a + params[0] b c
struct Addcdiv : OfReals {};  ///< a + params[0] b / c
struct Lerp : OfReals {};     ///< a + c (b - a), from the nearer end, so that both ends are exact

using BinaryArithmetic = List<Add, Sub, Mul, Div>;
using TernaryArithmetic = List<Addcmul, Addcdiv, Lerp>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Add> {
  template <class D, class V>
  static HWY_INLINE V of(D, V a, V b) {
    return hn::Add(a, b);
  }
};

template <>
struct VectorForm<functions::Sub> {
  template <class D, class V>
  static HWY_INLINE V of(D, V a, V b) {
    return hn::Sub(a, b);
  }
};

template <>
struct VectorForm<functions::Mul> {
  template <class D, class V>
  static HWY_INLINE V of(D, V a, V b) {
    return hn::Mul(a, b);
  }
};

template <>
struct VectorForm<functions::Div> {
  template <class D, class V>
  static HWY_INLINE V of(D, V a, V b) {
    return hn::Div(a, b);
  }
};

template <>
struct VectorForm<functions::Addcmul> {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>* params, V a, V b, V c) {
    return hn::Add(a, hn::Mul(hn::Set(d, params[0]), hn::Mul(b, c)));
  }
};

template <>
struct VectorForm<functions::Addcdiv> {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>* params, V a, V b, V c) {
    return hn::Add(a, hn::Mul(hn::Set(d, params[0]), hn::Div(b, c)));
  }
};

template <>
struct VectorForm<functions::Lerp> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b, V c) {
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
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
