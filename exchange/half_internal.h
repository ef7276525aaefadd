#pragma once

#include <cstdint>

namespace backflow::io::detail {

/// The value of a float16 (IEEE 754 binary16: 5 bits of exponent, 10 of fraction), given by its bits.
float float_of_half(std::uint16_t bits);
/// The bits of the float16 that is nearest, ties to even; infinity from 65520 on. A NaN stays a quiet NaN.
std::uint16_t half_of_double(double value);

}  // namespace backflow::io::detail
