#pragma once

#include <span>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

struct TensorCopy {
  Tensor y;
  Tensor x;
};

/// y = x for all, in one loop on the pool; as copy() of each, but that no y may overlap another.
void copy_all(std::span<const TensorCopy> copies);

}  // namespace backflow::kernels
