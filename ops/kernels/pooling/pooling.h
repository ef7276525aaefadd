#pragma once

#include <array>
#include <cstdint>

#include <backflow/runtime/tensor/channel_blocks.h>
#include <backflow/runtime/tensor/tensor.h>

// Pooling of tensors [batch, channels, depth, height, width] in channel blocks of any size, row-major ones included.
namespace backflow::kernels {

/// One spatial dimension of a pooling. Window o has the elements o stride - padding + k dilation, k < kernel, that lie
/// in the input; those of an adaptive one are [floor(o size / outputs), ceil((o + 1) size / outputs)).
struct PoolAxis {
  std::int64_t size = 1;     ///< of the input
  std::int64_t outputs = 1;  ///< windows
  std::int64_t kernel = 1;   ///< elements of the largest window
  std::int64_t stride = 1;   ///< 0 of an adaptive one
  std::int64_t padding = 0;
  std::int64_t dilation = 1;
};

/// A pooling: where the windows are, and by what a sum is divided.
struct Pooling {
  ChannelBlocks x;
  std::array<PoolAxis, 3> axes;  ///< depth, height, width
  std::int64_t divisor = 0;      ///< of averages, of all windows alike; 0: the number of elements of each
  bool counts_padding = false;   ///< whether such an element may lie in the padding

  /// How the result lies; the indices of windows lie like it.
  ChannelBlocks y() const;
  /// Elements of the largest window.
  std::int64_t window() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  /// The dtype of an element's number in its window.
  ScalarType choice_dtype() const { return window() <= 255 ? kUInt8 : kInt32; }
};

// Tensors below are those of Blocked::elements, of the blocks p.x or p.y(), float32 or float64 unless said otherwise.
// Results do not depend on the size of the blocks: sums are taken in one order. The padding of results is zero.

/// y = the largest element of each window, none of which is empty; NaN if one is. `choice`, unless undefined, becomes
/// the number of the element in its window, row by row: of the first of several, of the last NaN.
void max_pool(const Pooling& p, const Tensor& y, const Tensor& choice, const Tensor& x);
/// dx = 0, to which dy is added at the chosen elements, in the order of windows.
void max_pool_backward(const Pooling& p, const Tensor& dx, const Tensor& dy, const Tensor& choice);
/// y = the elements of x that were chosen.
void choose(const Pooling& p, const Tensor& y, const Tensor& x, const Tensor& choice);
/// indices, int64 = where the chosen elements are: (depth * heights + height) * widths + width.
void choice_indices(const Pooling& p, const Tensor& indices, const Tensor& choice);

/// y = the sum of each window, divided.
void average_pool(const Pooling& p, const Tensor& y, const Tensor& x);
/// dx = 0, to which dy, divided, is added at all elements of its window, in the order of windows.
void average_pool_backward(const Pooling& p, const Tensor& dx, const Tensor& dy);

/// y[n, c] = the mean over all positions of x; y is row-major.
void mean_of_positions(const ChannelBlocks& blocks, const Tensor& y, const Tensor& x);
/// dx = dy / positions at every position; dy is row-major.
void mean_of_positions_backward(const ChannelBlocks& blocks, const Tensor& dx, const Tensor& dy);

}  // namespace backflow::kernels
