#pragma once

#include <cstddef>
#include <cstdint>

#include <backflow/runtime/tensor/dtype.h>

namespace backflow::kernels {

/// y[i] = x[i] converted, for i < n; `to` and `from` are the dtypes of y and x.
using ConvertLoop = void (*)(const void* x, void* y, std::size_t n);
ConvertLoop convert_loop(ScalarType to, ScalarType from);

/// Transposes a matrix: y[r * y_stride + c] = x[c * x_stride + r] for r < rows, c < columns. U is an unsigned integer
/// of 1, 2, 4 or 8 bytes; strides count elements.
template <class U>
void transpose(const U* x, std::int64_t x_stride, U* y, std::int64_t y_stride, std::int64_t rows, std::int64_t columns);

}  // namespace backflow::kernels
