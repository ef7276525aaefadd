#pragma once

#include <backflow/nn/functional/pixelshuffle.h>
#include <backflow/nn/module.h>

namespace backflow::nn {

/// Moves channels to pixels: [..., c r r, h, w] becomes [..., c, h r, w r].
class PixelShuffleImpl : public Module {
 public:
  explicit PixelShuffleImpl(std::int64_t upscale_factor) : PixelShuffleImpl(PixelShuffleOptions(upscale_factor)) {}
  explicit PixelShuffleImpl(const PixelShuffleOptions& options_) : options(options_) {}
  Tensor forward(const Tensor& input) const { return functional::pixel_shuffle(input, options); }
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;
  PixelShuffleOptions options;
};
BACKFLOW_MODULE(PixelShuffle);

/// Moves pixels to channels: [..., c, h r, w r] becomes [..., c r r, h, w].
class PixelUnshuffleImpl : public Module {
 public:
  explicit PixelUnshuffleImpl(std::int64_t factor) : PixelUnshuffleImpl(PixelUnshuffleOptions(factor)) {}
  explicit PixelUnshuffleImpl(const PixelUnshuffleOptions& options_) : options(options_) {}
  Tensor forward(const Tensor& input) const { return functional::pixel_unshuffle(input, options); }
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;
  PixelUnshuffleOptions options;
};
BACKFLOW_MODULE(PixelUnshuffle);

}  // namespace backflow::nn
