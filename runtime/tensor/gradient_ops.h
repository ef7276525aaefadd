#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

/// Where the elements of a tensor lie among those of its storage.
struct Geometry {
  DimVector sizes;
  DimVector strides;
  std::int64_t offset = 0;
};

/// The operators that the engine needs. runtime does not know operators, so the operator library sets these pointers.
/// Functions without an underscore are recorded when recording is on.
struct GradientOps {
  Tensor (*add)(const Tensor& a, const Tensor& b);      ///< a + b
  void (*add_)(const Tensor& a, const Tensor& b);       ///< a += b
  void (*copy_)(const Tensor& to, const Tensor& from);  ///< to = from, of the same shape and dtype
  /// The inverse of a broadcast: `x` summed to the shape `sizes`, and converted to `dtype`.
  Tensor (*reduce_to)(const Tensor& x, IntArrayRef sizes, ScalarType dtype);
  /// The view of the storage of `x` with this geometry.
  Tensor (*as_strided)(const Tensor& x, const Geometry& view);
  /// A copy of the elements of `x` that a view would show if `x` had the geometry `base`.
  Tensor (*gather)(const Tensor& x, const Geometry& base, const Geometry& view);
  /// A copy of `x` with these elements replaced by those of `src`, by zeros when that is undefined.
  Tensor (*scatter)(const Tensor& x, const Tensor& src, const Geometry& base, const Geometry& view);
  Tensor (*zeros)(IntArrayRef sizes, ScalarType dtype);
  bool (*has_nan_)(const Tensor& x);
};

const GradientOps& gradient_ops();
void set_gradient_ops(const GradientOps& ops);

}  // namespace backflow
