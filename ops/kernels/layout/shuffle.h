#pragma once

#include <cstdint>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// y[n][c][h r + i][w r + j] = x[n][c r r + i r + j][h][w] for `planes` = n c, or with `inverse` from y to x.
/// Contiguous tensors of one dtype.
struct PixelGrid {
  std::int64_t planes;
  std::int64_t height;  ///< of the planes of x, as width
  std::int64_t width;
  std::int64_t factor;
};
void pixel_shuffle(const Tensor& y, const Tensor& x, const PixelGrid& grid, bool inverse);

}  // namespace backflow::kernels
