#pragma once

#include <backflow/nn/options/padding.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn::functional {

/// The input with pad[0] elements before and pad[1] after it along the last dimension, pad[2] and pad[3] along the last
/// but one, ...: a number, the input mirrored, its borders, or itself once more. See backflow::pad.
Tensor pad(const Tensor& input, const PadFuncOptions& options);

}  // namespace backflow::nn::functional
