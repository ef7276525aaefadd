#include <backflow/ops/pooling/pooled_shape.h>

#include <backflow/ops/pooling/pooling_internal.h>

namespace backflow {
namespace {

/// A tensor of this shape, whose elements are all the same one.
Tensor stand_in(IntArrayRef shape) {
  return view_of(empty_tensor({1}, kFloat32), shape, DimVector(shape.size(), 0), 0);
}

}  // namespace

DimVector pooled_shape(const char* where, IntArrayRef input, std::size_t dims, IntArrayRef kernel, IntArrayRef stride,
                       IntArrayRef padding, IntArrayRef dilation, bool ceil_mode) {
  return detail::plan_pool(where, stand_in(input), dims, {kernel, stride, padding, dilation, ceil_mode}).y_sizes();
}

DimVector adaptive_pooled_shape(const char* where, IntArrayRef input, std::size_t dims, IntArrayRef output_size) {
  return detail::plan_adaptive_pool(where, stand_in(input), dims, output_size).y_sizes();
}

}  // namespace backflow
