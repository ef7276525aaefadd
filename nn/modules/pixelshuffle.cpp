#include <backflow/nn/modules/pixelshuffle.h>

#include <ostream>

namespace backflow::nn {

DimVector PixelShuffleImpl::output_shape(IntArrayRef input) const {
  const std::int64_t r = options.upscale_factor();
  const std::size_t d = input.size() - 3;
  check(input.size() >= 3 && r > 0 && input[d] % (r * r) == 0, "pixel_shuffle: shape ", input, ", factor ", r,
        ": need [..., channels, height, width] with channels in multiples of ", r * r);
  DimVector output(input);
  output[d] /= r * r;
  output[d + 1] *= r;
  output[d + 2] *= r;
  return output;
}

void PixelShuffleImpl::pretty_print(std::ostream& stream) const {
  stream << class_name() << "(upscale_factor=" << options.upscale_factor() << ')';
}

DimVector PixelUnshuffleImpl::output_shape(IntArrayRef input) const {
  const std::int64_t r = options.downscale_factor();
  const std::size_t d = input.size() - 3;
  check(input.size() >= 3 && r > 0 && input[d + 1] % r == 0 && input[d + 2] % r == 0, "pixel_unshuffle: shape ", input,
        ", factor ", r, ": need [..., channels, height, width] with height and width in multiples of it");
  DimVector output(input);
  output[d] *= r * r;
  output[d + 1] /= r;
  output[d + 2] /= r;
  return output;
}

void PixelUnshuffleImpl::pretty_print(std::ostream& stream) const {
  stream << class_name() << "(downscale_factor=" << options.downscale_factor() << ')';
}

}  // namespace backflow::nn
