#pragma once

#include <backflow/nn/options/dropout.h>
#include <backflow/runtime/tensor/tensor.h>

/// Dropout, with random numbers of the default generator. Without `training` the result is the input. Throws Error for
/// p outside of [0, 1]. With the option `inplace` the result is written over the input.
namespace backflow::nn::functional {

/// Each element becomes 0 with probability p, and is divided by 1 - p otherwise.
Tensor dropout(const Tensor& input, const DropoutFuncOptions& options = {});
/// The same for whole channels of [batch, channels, height, width], or of one image without a batch. Other tensors of
/// two dimensions or more lose features [i, j, ...], with a warning, as in PyTorch.
Tensor dropout2d(const Tensor& input, const Dropout2dFuncOptions& options = {});
/// The same for whole channels of [batch, channels, depth, height, width], or of one volume without a batch.
Tensor dropout3d(const Tensor& input, const Dropout3dFuncOptions& options = {});
/// Dropout that keeps mean 0 and variance 1, for selu.
Tensor alpha_dropout(const Tensor& input, const AlphaDropoutFuncOptions& options = {});
/// The same for whole features [i, j, ...].
Tensor feature_alpha_dropout(const Tensor& input, const FeatureAlphaDropoutFuncOptions& options = {});

}  // namespace backflow::nn::functional
