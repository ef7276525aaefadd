#pragma once

#include <cstdint>
#include <memory>

#include <backflow/ops/kernels/convolution/convolution_primitives.h>

// How the gradient of the weights of a convolution is cut for oneDNN. The batch is cut by shapes alone, since that cuts
// a sum: into parts with a partial sum each, and each part into steps, one call of a primitive each. Filters and input
// channels are cut as the number of threads wants it: no sum is cut, and a weight's bits are the same in any slice.
//
// Memory: partial sums of at most 5 MiB, or once the weights; of each thread one slice of the weights, at most 600 KB
// and for many threads all of them together about half of the sums; where a step has several samples, a
// copy of x and dy.
namespace backflow::kernels {

/// Equal slices of the filters times equal slices of the input channels; or of the groups, if there are several.
struct WeightSlices {
  std::int64_t filters = 1;
  std::int64_t channels = 1;
  bool of_groups = false;  ///< the same slice of the groups of x, w and y; `channels` is 1

  std::int64_t count() const { return filters * channels; }
  /// Slices of x, and where in it slice i of all begins.
  std::int64_t of_x() const { return of_groups ? filters : channels; }
  std::int64_t x_slice(std::int64_t i) const { return of_groups ? i : i % channels; }
  std::int64_t y_slice(std::int64_t i) const { return i / channels; }
};

struct WeightCut {
  std::int64_t batch = 0;
  std::int64_t parts = 1;    ///< of the batch
  std::int64_t samples = 1;  ///< of a step; the last step may have fewer
  WeightSlices slices;
  ConvolutionGeometry slice;                              ///< of the whole batch
  std::shared_ptr<const ConvolutionPrimitive> primitive;  ///< for one step of one slice
  std::shared_ptr<const ConvolutionPrimitive> last;       ///< for the last step of the batch

  std::int64_t steps() const { return (batch + samples - 1) / samples; }
  std::int64_t first_step(std::int64_t part) const { return part * steps() / parts; }
};

/// Cut once for a shape and number of threads.
std::shared_ptr<const WeightCut> cut_weight_gradient(const ConvolutionGeometry& g, WantedBlocks wanted);

}  // namespace backflow::kernels
