#pragma once

#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

using variable_list = std::vector<Tensor>;

namespace autograd {

// libtorch's names.
using Variable = Tensor;
using variable_list = std::vector<Tensor>;
using tensor_list = std::vector<Tensor>;

}  // namespace autograd
}  // namespace backflow
