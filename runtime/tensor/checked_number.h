#pragma once

// Numbers that come as a Scalar and are to be elements of a dtype.

#include <backflow/runtime/tensor/number_range.h>
#include <backflow/runtime/tensor/scalar.h>

namespace backflow {
namespace detail {

/// f(number) with an std::int64_t or a double.
template <class F>
decltype(auto) with_number(const Scalar& number, const F& f) {
  return number.is_floating_point() ? f(number.toDouble()) : f(number.toLong());
}

/// As of the numbers themselves (runtime/tensor/number_range.h).
template <class T>
int beyond(const Scalar& number) {
  return with_number(number, [](auto n) { return beyond<T>(n); });
}
template <class T>
[[noreturn]] void fail_as(const char* where, const Scalar& number) {
  if (number.is_floating_point()) {
    fail_as<T>(where, number.toDouble());
  }
  fail_as<T>(where, number.toLong());
}

/// The number as an operand of arithmetic: integers wrap, and what is too large for a floating-point T is infinite.
template <class T>
T wrapped(const Scalar& number) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    return static_cast<T>(number.toLong());
  } else {
    return with_number(number, [](auto n) { return static_cast<T>(n); });
  }
}

}  // namespace detail

/// Throws Error, which `where` starts, unless a tensor of `dtype` holds the number, or -1 to -255 in uint8, which wrap.
inline void check_number(const char* where, const Scalar& number, ScalarType dtype) {
  dispatch(dtype, [&](auto zero) { static_cast<void>(number.to<decltype(zero)>(where)); });
}

}  // namespace backflow
