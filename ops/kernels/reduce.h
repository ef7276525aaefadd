#pragma once

#include <backflow/runtime/tensor.h>

namespace backflow::kernels {

/// y = the sum of x over the dimensions that `reduced` marks (one flag per dimension of x). y is contiguous and has the
/// sizes of the dimensions that are left, in order. Both int64, float32 or float64. Sums are blocked: their rounding
/// error grows with the logarithm of the number of terms; the blocks depend on the shape alone.
void sum(const Tensor& y, const Tensor& x, const DimVector& reduced);

/// y = log(softmax(x)) over the last dimension; both contiguous and of one floating-point dtype.
void log_softmax(const Tensor& y, const Tensor& x);

}  // namespace backflow::kernels
