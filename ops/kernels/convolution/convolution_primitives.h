#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <backflow/ops/kernels/convolution/convolution.h>
#include <backflow/ops/kernels/onednn.h>

namespace backflow::kernels {

enum class Direction : std::uint8_t { Forward, BackwardData, BackwardWeights };

/// A primitive of oneDNN for one piece of a convolution, and the forms that its operands must have.
struct ConvolutionPrimitive {
  dnnl::primitive primitive;
  dnnl::memory::desc x;
  dnnl::memory::desc w;
  dnnl::memory::desc y;
  dnnl::memory::desc scratchpad;
  std::int64_t x_block = 1;  ///< channels of a block, see runtime/tensor/channel_blocks.h
  std::int64_t y_block = 1;
  bool is_reference = false;   ///< oneDNN has but its slow reference implementation
  std::string implementation;  ///< what oneDNN calls it, as "jit:avx512_core"
};

/// What is known beforehand of the blocks of x and y; 0 leaves the choice to oneDNN.
struct WantedBlocks {
  std::int64_t x = 0;
  std::int64_t y = 0;
};

/// The primitive for `batch` samples of `g`, in the blocks that are wanted unless oneDNN has no fast implementation for
/// these. Primitives are kept for the next call: thread-safe. `with_bias` is not for the
/// gradient of x. Throws Error when there
/// is none, with the geometry.
std::shared_ptr<const ConvolutionPrimitive> convolution_primitive(Direction direction, const ConvolutionGeometry& g,
                                                                  std::int64_t batch, WantedBlocks wanted,
                                                                  bool with_bias);

/// What the primitive depends on, for caches.
std::string convolution_key(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted, bool with_bias);

/// The row-major weights [groups, filters / groups, channels / groups, kernel...], without groups when there is one.
dnnl::memory::desc plain_weights(const ConvolutionGeometry& g);

}  // namespace backflow::kernels
