// Quotients that are rounded, and what is left. A divisor of integers must not be 0.
#ifndef BACKFLOW_FUNCTIONS_DIVISION
#define BACKFLOW_FUNCTIONS_DIVISION

#include <backflow/ops/kernels/elementwise/functions/integers.h>
#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

/// The quotient rounded down.
struct FloorDivide : OfNumbers {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(quotient(a, b) - (rest(a, b) != 0 && (a < T{0}) != (b < T{0})));
  }
};

/// The quotient rounded towards zero.
struct TruncDivide : OfNumbers {
  template <class T>
  static T of(T a, T b) {
    return quotient(a, b);
  }
};

/// a - b TruncDivide(a, b), as std::fmod.
struct Fmod : OfNumbers {
  template <class T>
  static T of(T a, T b) {
    return rest(a, b);
  }
};

/// a - b FloorDivide(a, b), as Python's %.
struct Remainder : OfNumbers {
  template <class T>
  static T of(T a, T b) {
    const T r = rest(a, b);
    return r != 0 && (r < T{0}) != (b < T{0}) ? static_cast<T>(r + b) : r;
  }
};

using BinaryDivision = List<FloorDivide, TruncDivide, Fmod, Remainder>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

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

template <>
struct VectorForm<functions::FloorDivide> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return by_lane(d, a, b, [](auto x, auto w) { return floor_divide(x, w); });
  }
};

template <>
struct VectorForm<functions::TruncDivide> {
  template <class D, class V>
  static HWY_INLINE V of(D, V a, V b) {
    return hn::Trunc(hn::Div(a, b));
  }
};

template <>
struct VectorForm<functions::Fmod> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return by_lane(d, a, b, [](auto x, auto w) { return std::fmod(x, w); });
  }
};

template <>
struct VectorForm<functions::Remainder> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return by_lane(d, a, b, [](auto x, auto w) { return remainder(x, w); });
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
