#pragma once

#include <backflow/nn/options/normalization.h>
#include <backflow/runtime/tensor/tensor.h>

/// Normalizations, with libtorch's options. Shapes, dtypes and errors are those of the operators of the same name
/// (ops/functions.h).
namespace backflow::nn::functional {

/// Of each channel over the batch when training, which moves the running statistics; else with these. Throws Error
/// when training without a momentum.
Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                  const BatchNormFuncOptions& options = {});
/// relu(batch_norm(...) + residual), where the residual may be missing, in one operator: the same numbers, but the
/// activation goes through memory less often.
Tensor batch_norm_relu(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                       const BatchNormFuncOptions& options = {}, const Tensor& residual = {});
/// Of each channel of each sample.
Tensor instance_norm(const Tensor& input, const InstanceNormFuncOptions& options = {});
/// Of the last dimensions.
Tensor layer_norm(const Tensor& input, const LayerNormFuncOptions& options);
/// Of groups of channels of each sample.
Tensor group_norm(const Tensor& input, const GroupNormFuncOptions& options);
/// Of the last dimensions, by the root of their mean square.
Tensor rms_norm(const Tensor& input, const RMSNormFuncOptions& options);
/// y = x / (k + alpha m)^beta with the mean m of the squares of `size` neighbouring channels, from size / 2 before to
/// (size
/// - 1) / 2 behind, of an input [batch, channels, length, ...]; what lies beside the channels counts as zeros.
/// (Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural networks, 2012.)
Tensor local_response_norm(const Tensor& input, const LocalResponseNormFuncOptions& options);

}  // namespace backflow::nn::functional
