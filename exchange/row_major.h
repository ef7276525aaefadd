#pragma once

#include <cstddef>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io::detail {

/// The elements of a tensor of any strides in row-major order.
std::vector<std::byte> row_major_bytes(const Tensor& x);

}  // namespace backflow::io::detail
