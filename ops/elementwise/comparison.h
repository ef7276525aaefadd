#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

/// True when both have the same shape and the same values, under the dtype that both are promoted to. NaN differs from
/// everything, itself included, as in PyTorch.
bool equal(const Tensor& self, const Tensor& other);

/// True when |self - other| <= atol + rtol |other| for every element, broadcast. An infinity is close only to itself.
/// NaN is close to nothing; with `equal_nan` it is close to NaN. Throws Error when dtypes differ or a tolerance is
/// negative.
bool allclose(const Tensor& self, const Tensor& other, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);

}  // namespace backflow
