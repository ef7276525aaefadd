#pragma once

#include <span>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

// Over the elements of several tensors of floating-point dtypes, row-major; in float64, with a cut that depends on the
// shapes alone and partial results added in order: the same bits on any number of threads and any instruction set.

/// The p-norm for p > 0, the largest |x| for an infinite one; 0 without elements. It overflows, or vanishes, only if
/// the norm itself does, whatever its powers do.
double vector_norm(std::span<const Tensor> tensors, double p);
/// The largest |x|, 0 without elements; NaN when there is one among the elements.
double max_magnitude(std::span<const Tensor> tensors);
/// Whether no element is infinite or NaN.
bool all_finite(const Tensor& x);

}  // namespace backflow::kernels
