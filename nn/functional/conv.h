#pragma once

#include <backflow/nn/options/conv.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn::functional {

/// Convolutions with one, two and three spatial dimensions; padding may be kSame, with a stride of 1. See
/// backflow::conv2d.
Tensor conv1d(const Tensor& input, const Tensor& weight, const Conv1dFuncOptions& options = {});
Tensor conv2d(const Tensor& input, const Tensor& weight, const Conv2dFuncOptions& options = {});
Tensor conv3d(const Tensor& input, const Tensor& weight, const Conv3dFuncOptions& options = {});

/// Transposed convolutions: the gradients of convolutions with respect to their input. See backflow::conv_transpose2d.
Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const ConvTranspose1dFuncOptions& options = {});
Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const ConvTranspose2dFuncOptions& options = {});
Tensor conv_transpose3d(const Tensor& input, const Tensor& weight, const ConvTranspose3dFuncOptions& options = {});

}  // namespace backflow::nn::functional
