#pragma once

#include <backflow/runtime/tensor/shape.h>

namespace backflow {

/// The padding before and behind each dimension with which a convolution of stride 1 keeps all sizes; where it is odd,
/// the larger half is behind.
DimVector same_padding(IntArrayRef kernel_size, IntArrayRef dilation);

}  // namespace backflow
