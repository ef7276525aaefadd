#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

enum class Triangle { Lower, Upper };

/// y[..., i, j] = x[..., i, j] where j - i <= diagonal for Lower, >= for Upper, else 0. Shapes, of at least two
/// dimensions, and dtypes are equal; y may be x itself, but must not overlap it otherwise. Any strides.
void triangle(const Tensor& y, const Tensor& x, Triangle part, std::int64_t diagonal);

}  // namespace backflow::kernels
