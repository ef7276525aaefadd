#pragma once

#include <backflow/nn/options/activation.h>
#include <backflow/runtime/tensor/tensor.h>

/// Activations. With the option `inplace` they write the result over the input and return it.
namespace backflow::nn::functional {

/// max(x, 0)
Tensor relu(const Tensor& input, const ReLUFuncOptions& options = {});
/// min(max(x, 0), 6)
Tensor relu6(const Tensor& input, const ReLU6FuncOptions& options = {});
/// x where x > 0, else alpha (e^x - 1)
Tensor elu(const Tensor& input, const ELUFuncOptions& options = {});
/// elu, scaled so that mean 0 and variance 1 are kept.
Tensor selu(const Tensor& input, const SELUFuncOptions& options = {});
/// x where x > 0, else alpha (e^(x / alpha) - 1)
Tensor celu(const Tensor& input, const CELUFuncOptions& options = {});
/// x where x > 0, else negative_slope x
Tensor leaky_relu(const Tensor& input, const LeakyReLUFuncOptions& options = {});
/// leaky_relu whose slopes are the weight: one for each channel, or one for all.
Tensor prelu(const Tensor& input, const Tensor& weight);
/// leaky_relu with a random slope for each element in training, with the slopes' mean in evaluation.
Tensor rrelu(const Tensor& input, const RReLUFuncOptions& options = {});
/// x sigmoid(gate), where the input is the concatenation of x and the gate along a dimension.
Tensor glu(const Tensor& input, const GLUFuncOptions& options = {});
/// x P(X <= x) for a standard normal X.
Tensor gelu(const Tensor& input, const GELUFuncOptions& options = {});
/// x sigmoid(x)
Tensor silu(const Tensor& input);
/// x tanh(softplus(x))
Tensor mish(const Tensor& input);
/// x where |x| > lambda, else 0
Tensor hardshrink(const Tensor& input, const HardshrinkFuncOptions& options = {});
/// x - lambda sign(x) where |x| > lambda, else 0
Tensor softshrink(const Tensor& input, const SoftshrinkFuncOptions& options = {});
/// x - tanh(x)
Tensor tanhshrink(const Tensor& input);
/// min(max(x, min_val), max_val)
Tensor hardtanh(const Tensor& input, const HardtanhFuncOptions& options = {});
/// log(1 + e^(beta x)) / beta, x where beta x > threshold
Tensor softplus(const Tensor& input, const SoftplusFuncOptions& options = {});
/// x / (1 + |x|)
Tensor softsign(const Tensor& input);
/// x where x > threshold, else value
Tensor threshold(const Tensor& input, const ThresholdFuncOptions& options);
Tensor tanh(const Tensor& input);
/// 1 / (1 + e^-x)
Tensor sigmoid(const Tensor& input);
/// log(sigmoid(x))
Tensor logsigmoid(const Tensor& input);
/// e^x / the sum of e^x over a dimension.
Tensor softmax(const Tensor& input, const SoftmaxFuncOptions& options);
/// softmax(-x)
Tensor softmin(const Tensor& input, const SoftminFuncOptions& options);
/// x - log(sum of e^x over a dimension).
Tensor log_softmax(const Tensor& input, const LogSoftmaxFuncOptions& options);

}  // namespace backflow::nn::functional
