#pragma once

#include <cstdint>
#include <optional>

#include <backflow/ops/kernels/convolution/convolution_primitives.h>

// Where the result of a convolution can be cut: y, or dx in the gradient of the input. No sum is cut: a unit of the
// result sums over all channels and taps.
namespace backflow::kernels {

/// Into what the result is cut. A unit of it, which one call of a primitive computes, is a piece of the batch, a part
/// of the channels, and some rows. Rows are slices of the first spatial dimension.
struct ConvolutionCut {
  std::int64_t batch_pieces = 1;
  std::int64_t parts = 1;  ///< of the channels of the result; of the groups, if there are several
  std::int64_t rows = 0;   ///< of a unit, at most; 0 for all
};

/// Rows of the result, and those of the source (x, or dy) that they depend on.
struct RowSlice {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t source_begin = 0;
  std::int64_t source_end = 0;
};

/// The sizes of the result and of what it is computed from.
inline const DimVector& result_sizes(Direction direction, const ConvolutionGeometry& g) {
  return direction == Direction::Forward ? g.y : g.x;
}
inline const DimVector& source_sizes(Direction direction, const ConvolutionGeometry& g) {
  return direction == Direction::Forward ? g.x : g.y;
}

/// The finest cut over the batch and the channels that pays, by shapes alone. `form` is a primitive for larger units.
ConvolutionCut cut_of_channels(Direction direction, const ConvolutionGeometry& g, const ConvolutionPrimitive& form);

/// Into how many slices of rows each of its units can be cut where it is worth it; 1 otherwise.
std::int64_t most_slices(Direction direction, const ConvolutionGeometry& g, const ConvolutionPrimitive& form,
                         const ConvolutionCut& cut);

/// Rows of a unit for so many slices, or somewhat more; 0 where slices would have to be too small.
std::int64_t rows_of_slice(Direction direction, const ConvolutionGeometry& g, std::int64_t slices);

/// Rows [begin, end) of the result; none where they depend on no row of the source.
std::optional<RowSlice> row_slice(Direction direction, const ConvolutionGeometry& g, std::int64_t begin,
                                  std::int64_t end);

/// The convolution that gives one of `parts` parts of the channels, or groups, of the result.
ConvolutionGeometry part_of_channels(Direction direction, const ConvolutionGeometry& g, std::int64_t parts);

/// The convolution that gives the rows of a slice.
ConvolutionGeometry part_of_rows(Direction direction, const ConvolutionGeometry& g, const RowSlice& slice);

}  // namespace backflow::kernels
