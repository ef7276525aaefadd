// Algebraic functions.
#ifndef BACKFLOW_FUNCTIONS_ALGEBRA
#define BACKFLOW_FUNCTIONS_ALGEBRA

#include <backflow/ops/kernels/elementwise/functions/integers.h>
#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Neg : OfNumbers {
  template <class T>
  static T of(T x) {
    return negative(x);
  }
};

struct Abs : OfNumbers {
  template <class T>
  static T of(T x) {
    return x < T{0} ? negative(x) : x;
  }
};

struct Sign : OfAll {
  template <class T>
  static T of(T x) {
    return static_cast<T>((x > T{0}) - (x < T{0}));
  }
};

struct Sqrt : OfReals {};
struct Rsqrt : OfReals {};
struct Reciprocal : OfReals {};

using UnaryAlgebra = List<Neg, Abs, Sign, Sqrt, Rsqrt, Reciprocal>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Neg> {
  template <class D, class V>
  static HWY_INLINE V of(D, V x) {
    return hn::Neg(x);
  }
};

template <>
struct VectorForm<functions::Abs> {
  template <class D, class V>
  static HWY_INLINE V of(D, V x) {
    return hn::Abs(x);
  }
};

template <>
struct VectorForm<functions::Sign> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    const V zero = hn::Zero(d);
    const V one = number(d, 1);
    return hn::Sub(hn::IfThenElseZero(hn::Gt(x, zero), one), hn::IfThenElseZero(hn::Lt(x, zero), one));
  }
};

template <>
struct VectorForm<functions::Sqrt> {
  template <class D, class V>
  static HWY_INLINE V of(D, V x) {
    return hn::Sqrt(x);
  }
};

template <>
struct VectorForm<functions::Rsqrt> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return hn::Div(number(d, 1), hn::Sqrt(x));
  }
};

template <>
struct VectorForm<functions::Reciprocal> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return hn::Div(number(d, 1), x);
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
