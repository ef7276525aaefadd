#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// Which element of a dimension stands in each place of the padded one; places [first, first + count) have the elements
/// from `from` on, in order.
struct BorderMap {
  std::vector<std::int64_t> source;
  std::int64_t size;  ///< of the dimension without its border
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::int64_t from = 0;
};

/// y = x with borders around its last three dimensions. Contiguous tensors of one dtype.
void add_border(const Tensor& y, const Tensor& x, const std::array<BorderMap, 3>& maps);

/// dx = the sums of what is in y where an element of x was, in a fixed order. Contiguous tensors of one dtype, float32
/// or float64.
void fold_border(const Tensor& dx, const Tensor& dy, const std::array<BorderMap, 3>& maps);

}  // namespace backflow::kernels
