#pragma once

// What the forms of functions for integers share. Integers wrap.

#include <cstdint>
#include <type_traits>

namespace backflow::kernels::functions {

/// Unsigned integers of the width of T, which wrap.
template <class T>
using Wrapping = std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>>;

template <class T>
T negative(T x) {
  return static_cast<T>(Wrapping<T>{0} - static_cast<Wrapping<T>>(x));
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

}  // namespace backflow::kernels::functions
