#pragma once

#include <cstddef>

#include <backflow/runtime/tensor/shape.h>

namespace backflow {

/// The shape of a pooling's result for an input of this shape, [batch, channels, spatial...] or [channels, spatial...]
/// with `dims` spatial dimensions. Each list has one number, or one for each spatial dimension; no strides are those of
/// the kernel. Throws Error, which `where` starts, for an input that the pooling would not take. Needs no memory.
DimVector pooled_shape(const char* where, IntArrayRef input, std::size_t dims, IntArrayRef kernel, IntArrayRef stride,
                       IntArrayRef padding, IntArrayRef dilation, bool ceil_mode);
/// The same for an adaptive pooling to `output_size`.
DimVector adaptive_pooled_shape(const char* where, IntArrayRef input, std::size_t dims, IntArrayRef output_size);

}  // namespace backflow
