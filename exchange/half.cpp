#include <bit>
#include <cmath>

#include <backflow/exchange/half_internal.h>

namespace backflow::io::detail {

float float_of_half(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = bits >> 10 & 0x1fU;
  const std::uint32_t fraction = bits & 0x3ffU;
  if (exponent == 0) {  // a multiple of 2^-24, exact in float
    const float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -value : value;
  }
  constexpr std::uint32_t kBiasDifference = 127 - 15;
  const std::uint32_t wide = exponent == 0x1f ? 0xffU : exponent + kBiasDifference;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

std::uint16_t half_of_double(double value) {
  const unsigned sign = std::signbit(value) ? 0x8000U : 0U;
  if (std::isnan(value)) {
    const auto payload = static_cast<unsigned>(std::bit_cast<std::uint64_t>(value) >> 42 & 0x3ffU);
    return static_cast<std::uint16_t>(sign | 0x7e00U | payload);
  }
  const double size = std::abs(value);
  constexpr double kOverflow = 65520;  // half way between the largest float16 and the next power of two
  if (size >= kOverflow) return static_cast<std::uint16_t>(sign | 0x7c00U);
  constexpr double kSmallestNormal = 0x1p-14;
  if (size < kSmallestNormal) {  // nearbyint rounds ties to even; 1024 becomes the smallest normal number
    return static_cast<std::uint16_t>(sign | static_cast<unsigned>(std::nearbyint(size * 0x1p24)));
  }
  const int exponent = std::ilogb(size);
  const auto digits = static_cast<unsigned>(std::nearbyint(std::ldexp(size, 10 - exponent)));  // in [1024, 2048]
  // A carry out of the fraction goes on into the exponent.
  return static_cast<std::uint16_t>(sign | ((static_cast<unsigned>(exponent + 14) << 10) + digits));
}

}  // namespace backflow::io::detail
