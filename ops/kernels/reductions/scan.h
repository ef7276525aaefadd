#pragma once

#include <cstddef>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

enum class Scan { Sum, Prod };
enum class Direction { Forward, Backward };

// All tensors are contiguous and of one shape and dtype: int64, float32 or float64, or for `recurrence` the last two.
// Backward goes from the last element of dimension `dim` to the first. How a loop is cut depends on the shape alone.

/// y[k] = the sum or product of x[0..k]. float32 is added up in float64; integers wrap.
void scan(Scan f, Direction direction, const Tensor& y, const Tensor& x, std::size_t dim);

/// y[k] = b[k] + a[k] y[k - 1], where y[-1] = 0.
void recurrence(Direction direction, const Tensor& y, const Tensor& b, const Tensor& a, std::size_t dim);

}  // namespace backflow::kernels
