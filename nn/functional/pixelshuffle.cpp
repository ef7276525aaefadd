#include <backflow/nn/functional/pixelshuffle.h>

#include <backflow/ops/functions.h>

namespace backflow::nn::functional {

Tensor pixel_shuffle(const Tensor& input, const PixelShuffleFuncOptions& options) {
  return backflow::pixel_shuffle(input, options.upscale_factor());
}

Tensor pixel_unshuffle(const Tensor& input, const PixelUnshuffleFuncOptions& options) {
  return backflow::pixel_unshuffle(input, options.downscale_factor());
}

}  // namespace backflow::nn::functional
