#pragma once

#include <cstdint>
#include <string>

#include <backflow/ops/kernels/convolution/convolution_primitives.h>
#include <backflow/ops/kernels/layout/blocked.h>

// What the convolutions by oneDNN share.
namespace backflow::kernels {

// How the batch is cut for y and dx, by shapes alone; docs/internals/measurements.md says why.
inline constexpr double kPieceFlop = 20e6;        // of a piece at least: about 200 us
inline constexpr std::int64_t kPieceSamples = 8;  // of a piece at least: each reads all weights
inline constexpr std::int64_t kMaxPieces = 64;

/// Runs `p` on this thread; counted when it is a reference implementation.
void execute(const ConvolutionPrimitive& p, Arguments arguments);

inline std::int64_t elements_of(const dnnl::memory::desc& form) {
  return static_cast<std::int64_t>(form.get_size() / sizeof(float));
}

/// The size of the blocks that are best kept: that of x when it is in any.
inline std::int64_t wanted_block(const Tensor& x) {
  const std::int64_t block = block_of(x);
  return block == 1 ? 0 : block;
}

/// Into how many pieces the batch is cut where each is one primitive, for y and dx.
std::int64_t batch_pieces(const ConvolutionGeometry& g);

/// `key` for what depends on the number of threads that cuts are made for, too.
std::string key_of_cut(std::string key);

}  // namespace backflow::kernels
