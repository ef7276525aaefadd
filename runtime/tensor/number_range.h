#pragma once

// Which numbers a C++ type can represent, and a conversion that throws Error for the others.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <backflow/runtime/tensor/bfloat16.h>

namespace backflow::detail {

/// 0 when a T can represent the number, -1 when the number is too small, 1 when it is too large (or NaN as an integer).
/// A floating-point T takes all numbers but finite ones that would become infinite; bool takes everything.
template <class T>
int beyond(std::int64_t number) {
  if constexpr (!std::is_integral_v<T> || std::is_same_v<T, bool>) {
    return 0;
  } else if constexpr (sizeof(T) < sizeof(number)) {
    constexpr std::int64_t kLowest = std::numeric_limits<T>::min();
    constexpr std::int64_t kLargest = std::numeric_limits<T>::max();
    return number < kLowest ? -1 : number > kLargest ? 1 : 0;
  } else {
    return std::is_unsigned_v<T> && number < 0 ? -1 : 0;
  }
}
template <class T>
int beyond(double number) {
  if constexpr (std::is_same_v<T, bool> || (std::is_floating_point_v<T> && sizeof(T) >= sizeof(number))) {
    return 0;
  } else if constexpr (!std::is_integral_v<T>) {
    const bool is_held = std::isinf(number) || !std::isinf(static_cast<float>(static_cast<T>(number)));
    return is_held ? 0 : number < 0 ? -1 : 1;
  } else {
    constexpr auto kLowest = static_cast<double>(std::numeric_limits<T>::min());
    constexpr auto kLargest = static_cast<double>(std::numeric_limits<T>::max());  // of 64 bits one more than that
    const bool is_held = sizeof(T) < sizeof(number) ? number <= kLargest : number < kLargest;
    return number < kLowest ? -1 : is_held ? 0 : 1;
  }
}

/// As in PyTorch, -n wraps in an unsigned type that can represent n, as in uint8 arithmetic.
template <class T>
bool wraps(std::int64_t number) {
  if constexpr (std::is_unsigned_v<T>) {
    return number < 0 && 0 - static_cast<std::uint64_t>(number) <= std::uint64_t{std::numeric_limits<T>::max()};
  } else {
    return false;
  }
}
template <class T>
bool wraps(double) {
  return false;
}

/// Throws the Error of `checked` for a type of so many bits: 'i' signed, 'u' unsigned, 'f' floating-point, 'b'
/// bfloat16.
[[noreturn, gnu::cold]] void fail_conversion(const char* where, std::int64_t number, char kind, std::size_t bits);
[[noreturn, gnu::cold]] void fail_conversion(const char* where, double number, char kind, std::size_t bits);

template <class T, class Number>
requires std::is_arithmetic_v<Number>
[[noreturn]] void fail_as(const char* where, Number number) {
  constexpr char kKind = std::is_same_v<T, BFloat16> ? 'b'
                         : !std::is_integral_v<T>    ? 'f'
                         : std::is_unsigned_v<T>     ? 'u'
                                                     : 'i';
  fail_conversion(where, number, kKind, 8 * sizeof(T));
}

/// The number, an std::int64_t or a double, as a T. Fractions are truncated for an integral T. Throws Error, which
/// `where` starts, for a number that a T neither represents nor wraps.
template <class T, class Number>
requires std::is_arithmetic_v<Number> T checked(const char* where, Number number) {
  if (beyond<T>(number) != 0 && !wraps<T>(number)) [[unlikely]] {
    fail_as<T>(where, number);
  }
  return static_cast<T>(number);
}

}  // namespace backflow::detail
