#pragma once

#include <span>

#include <backflow/runtime/tensor/tensor.h>

// What is done to all gradients in place: one loop over equal pieces of all of them, on the pool. Tensors of
// floating-point dtypes and any layout. The bits are those of mul_() and clamp_() on one tensor after the other, and a
// tensor that is there twice, or shares elements with another, is changed twice.
namespace backflow::kernels {

/// x = x factor, in steps where the dtype of x does not hold the factor.
void multiply_all(std::span<const Tensor> tensors, double factor);

/// x = the nearest number of [least, most]; NaN stays.
void clamp_all(std::span<const Tensor> tensors, double least, double most);

}  // namespace backflow::kernels
