#pragma once

#include <backflow/runtime/tensor/shape.h>

namespace backflow {

/// Zeros before and after each dimension, alternately, with which a convolution of stride 1 keeps all sizes. Where
/// their sum is odd, one more goes after.
DimVector same_padding(IntArrayRef kernel_size, IntArrayRef dilation);

}  // namespace backflow
