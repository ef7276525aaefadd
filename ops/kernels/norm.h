#pragma once

#include <span>

#include <backflow/runtime/tensor.h>

namespace backflow::kernels {

// Over the elements of several tensors of floating-point dtypes, row-major; in float64, with a cut that depends on the
// shapes alone and partial results added in order: the same bits on any number of threads and any instruction set.

/// The sum of |x|^p, for p > 0.
double sum_of_powers(std::span<const Tensor> tensors, double p);
/// The largest |x|, 0 without elements; NaN when there is one among the elements.
double max_magnitude(std::span<const Tensor> tensors);
/// Whether no element is infinite or NaN.
bool all_finite(const Tensor& x);

}  // namespace backflow::kernels
