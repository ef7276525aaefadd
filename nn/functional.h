#pragma once

#include <backflow/nn/functional/conv.h>
#include <backflow/nn/functional/normalization.h>
#include <backflow/nn/functional/pooling.h>
#include <backflow/nn/functional/distance.h>
#include <backflow/nn/functional/loss.h>
#include <backflow/nn/options.h>
#include <backflow/runtime/tensor.h>

/// The functions behind the modules, with libtorch's options. Shapes, dtypes and errors are those of the operators of
/// the same name (ops/functions.h).
namespace backflow::nn::functional {

/// max(x, 0)
Tensor relu(const Tensor& input);
Tensor tanh(const Tensor& input);
/// 1 / (1 + e^-x)
Tensor sigmoid(const Tensor& input);
/// x w^T + b: input [..., in], weight [out, in], bias [out] or none.
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias = {});
/// x - log(sum of e^x over a dimension).
Tensor log_softmax(const Tensor& input, const LogSoftmaxFuncOptions& options);

}  // namespace backflow::nn::functional
