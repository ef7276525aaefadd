#pragma once

#include <backflow/ops/kernels/convolution/convolution.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::detail {

/// The arguments that all operators of a convolution share, as their messages name them.
struct ConvolutionArguments {
  IntArrayRef stride;
  IntArrayRef padding;
  IntArrayRef dilation;
  bool transposed;
  IntArrayRef output_padding;
  std::int64_t groups;
};

/// The geometry of a convolution of `input`, or of the one whose gradient it is when that is transposed: then `input`
/// is its y. Throws Error, for operator `where`, for operands and arguments that don't fit.
kernels::ConvolutionGeometry convolution_geometry(const char* where, const Tensor& input, const Tensor& weight,
                                                  const Tensor& bias, const ConvolutionArguments& arguments);

}  // namespace backflow::detail
