#pragma once

#include <cstddef>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

enum class Softmax { Plain, Log };

// All tensors are contiguous, of one shape and one dtype, float32 or float64.

/// y = e^(x - m) / the sum of such, or its logarithm, over dimension `dim`, where m is the largest. NaN where a number
/// is NaN or infinitely large, or all are infinitely small.
void softmax(Softmax kind, const Tensor& y, const Tensor& x, std::size_t dim);

/// dx = y (dy - sum(dy y)), or dy - e^y sum(dy) for Softmax::Log, from the forward's result y.
void softmax_backward(Softmax kind, const Tensor& dx, const Tensor& dy, const Tensor& y, std::size_t dim);

}  // namespace backflow::kernels
