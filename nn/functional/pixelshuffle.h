#pragma once

#include <backflow/nn/options/pixelshuffle.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn::functional {

/// [..., c r r, h, w] as [..., c, h r, w r]
Tensor pixel_shuffle(const Tensor& input, const PixelShuffleFuncOptions& options);
/// [..., c, h r, w r] as [..., c r r, h, w]
Tensor pixel_unshuffle(const Tensor& input, const PixelUnshuffleFuncOptions& options);

}  // namespace backflow::nn::functional
