#pragma once

#include <cstdint>
#include <memory>

#include <backflow/ops/kernels/convolution/convolution_primitives.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/runtime/threads/threads.h>

// What the convolutions by oneDNN share: each is cut into pieces, a primitive on one thread for each.
namespace backflow::kernels {

// How they are cut, by shapes alone; docs/internals/measurements.md says why.
inline constexpr double kPieceFlop = 20e6;         // of a piece at least: about 200 us
inline constexpr std::int64_t kPieceSamples = 8;   // of a piece at least: each reads all weights
inline constexpr std::int64_t kPieceFilters = 64;  // of a piece at least, where the filters are cut
inline constexpr std::int64_t kMaxPieces = 64;
// Partial sums of weight gradients, where the batch is cut: more cost more to add up than threads gain (512->512 on 4x4
// took 22 ms with 2 of them, 50 with 16).
inline constexpr std::int64_t kMaxPartials = 4;

/// Runs `p` on this thread; counted when it is a reference implementation.
void execute(const ConvolutionPrimitive& p, Arguments arguments);

/// The elements from sample n on, for over().
inline const void* sample(const Blocked& x, std::int64_t n) {
  return x.elements.const_data_ptr<float>() + n * x.blocks.sample_elements();
}

inline std::int64_t elements_of(const dnnl::memory::desc& form) {
  return static_cast<std::int64_t>(form.get_size() / sizeof(float));
}

inline dnnl::memory::desc bias_desc(const ConvolutionGeometry& g) {
  return {{g.w[0]}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::a};
}

/// The size of the blocks that are best kept: that of x when it is in any.
inline std::int64_t wanted_block(const Tensor& x) {
  const std::int64_t block = block_of(x);
  return block == 1 ? 0 : block;
}

/// Into how many pieces the batch is cut where each is one primitive.
std::int64_t batch_pieces(Direction direction, const ConvolutionGeometry& g);

/// The convolution with a `count`-th of the filters.
ConvolutionGeometry part_of_filters(const ConvolutionGeometry& g, std::int64_t count);

/// The batch in pieces, each with the primitive for its size.
class Pieces {
 public:
  Pieces(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted, bool with_bias);

  std::int64_t count() const { return count_; }
  /// What all primitives have in common: weights and blocks.
  const ConvolutionPrimitive& form() const { return *larger_; }
  /// Calls body(primitive, first sample, number of the piece) for all pieces on the pool.
  void run(FunctionRef<void(const ConvolutionPrimitive& p, std::int64_t first, std::int64_t piece)> body) const;

 private:
  std::int64_t batch_;
  std::int64_t count_;
  std::shared_ptr<const ConvolutionPrimitive> larger_;
  std::shared_ptr<const ConvolutionPrimitive> smaller_;
};

}  // namespace backflow::kernels
