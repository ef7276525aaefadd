#pragma once

#include <backflow/nn/options/padding.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn::functional {

/// The input with pad[0] elements before and pad[1] after it along the last dimension, pad[2] and pad[3] along the last
/// but one, and so on. By mode they are a constant, the mirrored input, copies of its borders, or the input repeated.
/// See backflow::pad.
Tensor pad(const Tensor& input, const PadFuncOptions& options);

}  // namespace backflow::nn::functional
