#pragma once

// Conversion of a Scalar to an element of a dtype, with a check of its range.

#include <backflow/runtime/tensor/number_range.h>
#include <backflow/runtime/tensor/scalar.h>

namespace backflow {
namespace detail {

/// f(number) with an std::int64_t or a double.
template <class F>
decltype(auto) with_number(const Scalar& number, const F& f) {
  return number.is_floating_point() ? f(number.toDouble()) : f(number.toLong());
}

/// The functions of runtime/tensor/number_range.h for a Scalar.
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

/// The number as an operand of arithmetic: integers wrap, and a number too large for a floating-point T becomes
/// infinite.
template <class T>
T wrapped(const Scalar& number) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    return static_cast<T>(number.toLong());
  } else {
    return with_number(number, [](auto n) { return static_cast<T>(n); });
  }
}

}  // namespace detail

/// Throws Error unless `dtype` can represent the number; -1 to -255 wrap in uint8. `where` starts the message.
inline void check_number(const char* where, const Scalar& number, ScalarType dtype) {
  dispatch(dtype, [&](auto zero) { static_cast<void>(number.to<decltype(zero)>(where)); });
}

}  // namespace backflow
