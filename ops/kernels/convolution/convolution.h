#pragma once

#include <cstdint>

#include <backflow/runtime/tensor/cost.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// A convolution of x [batch, channels, spatial...] with w [filters, channels / groups, kernel...] that gives
/// y [batch, filters, spatial...], with one to three spatial dimensions. The lists have a number for each of these.
///
///   y[n, f, p] = sum over c, k of x[n, c, p stride - before + k dilation] w[f, c, k]
///
/// where x counts as 0 outside, and group g of the filters sees group g of the channels alone.
struct ConvolutionGeometry {
  DimVector x;
  DimVector w;
  DimVector y;
  DimVector stride;
  DimVector before;  ///< zeros in front of x; those behind it follow from the sizes
  DimVector dilation;
  std::int64_t groups = 1;

  std::size_t spatial_dims() const { return x.size() - 2; }
  /// Zeros behind x in spatial dimension d; negative where the last elements of x are not used.
  std::int64_t after(std::size_t d) const {
    return (y[d + 2] - 1) * stride[d] + dilation[d] * (w[d + 2] - 1) + 1 - x[d + 2] - before[d];
  }
  /// Of each of the three functions below.
  Cost cost(ScalarType dtype) const;
};

// Dtypes are equal: float32, float64, or bfloat16, which is computed in float32 and rounded once. float32 runs on
// oneDNN in the channel blocks that it prefers (kernels/blocked.h): operands in these are taken as they are, results
// are in them. What oneDNN can't do but by its reference implementation, tiny convolutions and float64 run on matrix
// products of our own. Forward and gradient of x are cut freely: over batch, channels and rows. The gradient of w,
// which is a sum over the batch, is cut by shapes alone.

/// y of x, w and bias [filters], which may be undefined.
Tensor convolution(const ConvolutionGeometry& g, const Tensor& x, const Tensor& w, const Tensor& bias);

/// The gradient of x from that of y, in blocks of `block` channels where oneDNN can; 0 leaves the choice to it.
Tensor convolution_input_gradient(const ConvolutionGeometry& g, const Tensor& dy, const Tensor& w, std::int64_t block);

/// The gradient of w, in oneDNN's blocks of filters and channels where it likes these. In `place` if that is defined,
/// of the sizes of w and the dtype of dy; without a copy if it is kept in these blocks too.
Tensor convolution_weight_gradient(const ConvolutionGeometry& g, const Tensor& x, const Tensor& dy,
                                   const Tensor& place = {});

/// The sums of x [batch, channels, spatial...] over all but the channels, [channels].
Tensor channel_sums(const Tensor& x);

/// Adds bias [channels] to y [batch, channels, spatial...] in place.
void add_to_channels(const Tensor& y, const Tensor& bias);

// What lies behind them.

/// Whether oneDNN is to be used for this one.
bool suits_onednn(const ConvolutionGeometry& g, ScalarType dtype);

Tensor onednn_convolution(const ConvolutionGeometry& g, const Tensor& x, const Tensor& w, const Tensor& bias);
Tensor onednn_convolution_input_gradient(const ConvolutionGeometry& g, const Tensor& dy, const Tensor& w,
                                         std::int64_t block);
/// Not in `place` where the primitives write another form.
Tensor onednn_convolution_weight_gradient(const ConvolutionGeometry& g, const Tensor& x, const Tensor& dy,
                                          const Tensor& place);

/// By matrix products, of float32 and float64; results are row-major.
Tensor plain_convolution(const ConvolutionGeometry& g, const Tensor& x, const Tensor& w, const Tensor& bias);
Tensor plain_convolution_input_gradient(const ConvolutionGeometry& g, const Tensor& dy, const Tensor& w);
Tensor plain_convolution_weight_gradient(const ConvolutionGeometry& g, const Tensor& x, const Tensor& dy);

}  // namespace backflow::kernels
