#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// What the value between the elements of a dimension is.
enum class Filter {
  Nearest,  ///< the element below, as PyTorch's
  Linear,
  Cubic,  ///< the convolution with Keys' kernel, a = -0.75 (Cubic convolution interpolation, 1981)
};

/// How the elements of a dimension lie beside those of the resampled one: with `align_corners` the first and the last
/// are in the same places, else the elements are cells of which they fill the same length, or `scale` times as much.
struct Axis {
  std::int64_t size;
  std::int64_t resampled;
  bool align_corners = false;
  std::optional<double> scale = std::nullopt;
};

/// y = x resampled along its last three dimensions, whose sizes in x and y are size and resampled; or with `transposed`
/// the transposed linear map, from resampled to size. Contiguous tensors of one dtype, float32 or float64, with
/// elements; dimensions before the last three, of which missing ones have an Axis {1, 1}, are equal. Each element is a
/// sum in an order of its own: the same bits on any number of threads.
void resample(const Tensor& y, const Tensor& x, Filter filter, const std::array<Axis, 3>& axes, bool transposed);

}  // namespace backflow::kernels
