#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <backflow/runtime/tensor/dtype.h>

namespace backflow::kernels {

/// Whether there are sums of this dtype: uint8, int32, int64, bfloat16, float32, float64.
bool can_sum(ScalarType dtype);

/// Sums `n` elements of buffers `x` and writes the sum to each of `y`: ((x[0] + x[1]) + x[2]) + ... for every element,
/// in this order. With one `x` it copies. A buffer of `y` may be one of `x`; else they must not overlap. bfloat16 is
/// added in float32 and rounded once; uint8 wraps around.
void sum_buffers(ScalarType dtype, std::span<std::byte* const> x, std::span<std::byte* const> y, std::int64_t n);

}  // namespace backflow::kernels
