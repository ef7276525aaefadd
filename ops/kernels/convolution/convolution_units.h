#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <backflow/ops/kernels/convolution/convolution_cut.h>
#include <backflow/ops/kernels/layout/blocked.h>

namespace backflow::kernels {

/// Forward, or the gradient of the input, cut into units, each a call of a primitive on one thread. The cut follows the
/// number of threads: bits don't depend on it. A thread needs memory for one scratchpad of oneDNN (none for most
/// kernels, 64 KiB for strided 1x1 ones) and for one slice of rows, 512 KiB at most: 36 MiB for 64 threads.
class ConvolutionUnits {
 public:
  /// The coarsest cut that feeds all threads. With Winograd's algorithm, and where oneDNN's kernel would round
  /// differently in smaller units, the batch alone is cut, into a number of pieces that shapes give. Chosen once for a
  /// shape and number of threads.
  static std::shared_ptr<const ConvolutionUnits> choose(Direction direction, const ConvolutionGeometry& g,
                                                        WantedBlocks wanted, bool with_bias);

  /// y of x, or dx of dy. `bias` is undefined where there is none.
  Tensor compute(const Tensor& source, const Tensor& w, const Tensor& bias) const;

 private:
  struct Slice {
    RowSlice rows;
    // For the larger pieces of the batch, and those with one sample less.
    std::shared_ptr<const ConvolutionPrimitive> larger;
    std::shared_ptr<const ConvolutionPrimitive> smaller;
  };
  struct Operands;
  struct Unit;
  class Piece;

  ConvolutionUnits(Direction direction, const ConvolutionGeometry& g, const ConvolutionCut& cut, bool with_bias)
      : direction_(direction), g_(g), cut_(cut), with_bias_(with_bias) {}

  /// None where the units differ in blocks or implementation, among each other or from `like`.
  static std::optional<ConvolutionUnits> make(Direction direction, const ConvolutionGeometry& g,
                                              const ConvolutionCut& cut, WantedBlocks wanted, bool with_bias,
                                              const ConvolutionPrimitive* like);
  static ConvolutionUnits by_batch(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted,
                                   bool with_bias);
  static ConvolutionUnits choose_anew(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted,
                                      bool with_bias);
  static bool keeps_bits(Direction direction, const ConvolutionGeometry& g, const ConvolutionPrimitive& form,
                         std::int64_t parts);
  bool add_slice(const ConvolutionGeometry& part, const RowSlice& rows, WantedBlocks wanted,
                 const ConvolutionPrimitive* like);

  const ConvolutionPrimitive& form() const { return *slices_[0].larger; }
  std::int64_t count() const { return cut_.batch_pieces * cut_.parts * static_cast<std::int64_t>(slices_.size()); }
  Unit unit(std::int64_t i) const;
  Operands operands(const Tensor& source, const Tensor& w, const Tensor& bias) const;

  Direction direction_;
  ConvolutionGeometry g_;
  ConvolutionCut cut_;
  bool with_bias_;
  std::int64_t pieces_ = 1;  ///< tasks for the pool
  std::vector<Slice> slices_;
};

}  // namespace backflow::kernels
