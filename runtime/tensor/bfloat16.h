#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>

namespace backflow {

/// The upper half of a float32: 8 bits of exponent, 7 of fraction ("A Study of BFLOAT16 for Deep Learning Training",
/// Kalamkar et al., 2019). Converts to float without loss; arithmetic is that of float. Numbers convert to it by
/// rounding to nearest, ties to even.
struct BFloat16 {
  BFloat16() = default;
  template <class T>
  requires std::is_arithmetic_v<T> BFloat16(T value)  // NOLINT(google-explicit-constructor)
      : bits(round(static_cast<float>(value))) {}
  operator float() const {  // NOLINT(google-explicit-constructor)
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }

  std::uint16_t bits = 0;

 private:
  static std::uint16_t round(float value) {
    const auto all = std::bit_cast<std::uint32_t>(value);
    if (std::isnan(value)) {
      return static_cast<std::uint16_t>(all >> 16 | 0x40U);  // stays a NaN, a quiet one
    }
    return static_cast<std::uint16_t>((all + 0x7fffU + (all >> 16 & 1U)) >> 16);
  }
};

}  // namespace backflow
