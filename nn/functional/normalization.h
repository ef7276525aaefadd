#pragma once

#include <backflow/nn/options/normalization.h>
#include <backflow/runtime/tensor/tensor.h>

/// Normalizations, with libtorch's options. Shapes, dtypes and errors are those of the operators of the same name
/// (ops/functions.h).
namespace backflow::nn::functional {

/// Batch normalization of each channel. Training uses the statistics of the batch and updates the running ones;
/// evaluation uses the running ones. Throws Error for training without a momentum.
Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                  const BatchNormFuncOptions& options = {});
/// relu(batch_norm(...) + residual) fused into one operator, which reads and writes memory less often. The same bits.
/// The residual may be undefined.
Tensor batch_norm_relu(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                       const BatchNormFuncOptions& options = {}, const Tensor& residual = {});
/// Instance normalization: of each channel of each sample.
Tensor instance_norm(const Tensor& input, const InstanceNormFuncOptions& options = {});
/// Of the last dimensions.
Tensor layer_norm(const Tensor& input, const LayerNormFuncOptions& options);
/// Group normalization: of groups of channels of each sample.
Tensor group_norm(const Tensor& input, const GroupNormFuncOptions& options);
/// RMS normalization of the last dimensions: divides by their root mean square.
Tensor rms_norm(const Tensor& input, const RMSNormFuncOptions& options);
/// Local response normalization: y = x / (k + alpha m)^beta, where m is the mean of the squares of `size` neighbouring
/// channels, from size / 2 before to (size - 1) / 2 after. Channels beyond the ends count as zeros. Input [batch,
/// channels, length, ...]. (Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural
/// networks, 2012.)
Tensor local_response_norm(const Tensor& input, const LocalResponseNormFuncOptions& options);

}  // namespace backflow::nn::functional
