#pragma once

#include <cstdint>

#include <backflow/nn/options/arg.h>

namespace backflow::nn {

class PixelShuffleOptions {
 public:
  PixelShuffleOptions(std::int64_t upscale_factor)  // NOLINT(google-explicit-constructor)
      : upscale_factor_(upscale_factor) {}
  BACKFLOW_ARG(std::int64_t, upscale_factor);
};

class PixelUnshuffleOptions {
 public:
  PixelUnshuffleOptions(std::int64_t downscale_factor)  // NOLINT(google-explicit-constructor)
      : downscale_factor_(downscale_factor) {}
  BACKFLOW_ARG(std::int64_t, downscale_factor);
};

namespace functional {

using PixelShuffleFuncOptions = PixelShuffleOptions;
using PixelUnshuffleFuncOptions = PixelUnshuffleOptions;

}  // namespace functional
}  // namespace backflow::nn
