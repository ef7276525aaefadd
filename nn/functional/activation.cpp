#include <backflow/nn/functional/activation.h>

#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>

namespace backflow::nn::functional {
namespace {

/// The input in the dtype of the options, if they name one.
template <class Options>
Tensor converted(const Tensor& input, const Options& options) {
  return options.dtype() ? input.to(*options.dtype()) : input;
}

}  // namespace

Tensor relu(const Tensor& input, const ReLUFuncOptions& options) {
  return options.inplace() ? input.relu_() : backflow::relu(input);
}

Tensor relu6(const Tensor& input, const ReLU6FuncOptions& options) {
  return options.inplace() ? input.relu6_() : backflow::relu6(input);
}

Tensor elu(const Tensor& input, const ELUFuncOptions& options) {
  return options.inplace() ? input.elu_(options.alpha()) : backflow::elu(input, options.alpha());
}

Tensor selu(const Tensor& input, const SELUFuncOptions& options) {
  return options.inplace() ? input.selu_() : backflow::selu(input);
}

Tensor celu(const Tensor& input, const CELUFuncOptions& options) {
  return options.inplace() ? input.celu_(options.alpha()) : backflow::celu(input, options.alpha());
}

Tensor leaky_relu(const Tensor& input, const LeakyReLUFuncOptions& options) {
  return options.inplace() ? input.leaky_relu_(options.negative_slope())
                           : backflow::leaky_relu(input, options.negative_slope());
}

Tensor prelu(const Tensor& input, const Tensor& weight) { return backflow::prelu(input, weight); }

Tensor rrelu(const Tensor& input, const RReLUFuncOptions& options) {
  return options.inplace() ? input.rrelu_(options.lower(), options.upper(), options.training())
                           : backflow::rrelu(input, options.lower(), options.upper(), options.training());
}

Tensor glu(const Tensor& input, const GLUFuncOptions& options) { return backflow::glu(input, options.dim()); }

Tensor gelu(const Tensor& input, const GELUFuncOptions& options) {
  return backflow::gelu(input, options.approximate());
}

Tensor silu(const Tensor& input) { return backflow::silu(input); }

Tensor mish(const Tensor& input) { return backflow::mish(input); }

Tensor hardshrink(const Tensor& input, const HardshrinkFuncOptions& options) {
  return backflow::hardshrink(input, options.lambda());
}

Tensor softshrink(const Tensor& input, const SoftshrinkFuncOptions& options) {
  return backflow::softshrink(input, options.lambda());
}

Tensor tanhshrink(const Tensor& input) { return input - backflow::tanh(input); }

Tensor hardtanh(const Tensor& input, const HardtanhFuncOptions& options) {
  return options.inplace() ? input.hardtanh_(options.min_val(), options.max_val())
                           : backflow::hardtanh(input, options.min_val(), options.max_val());
}

Tensor softplus(const Tensor& input, const SoftplusFuncOptions& options) {
  return backflow::softplus(input, options.beta(), options.threshold());
}

Tensor softsign(const Tensor& input) { return backflow::softsign(input); }

Tensor threshold(const Tensor& input, const ThresholdFuncOptions& options) {
  return options.inplace() ? input.threshold_(options.threshold(), options.value())
                           : backflow::threshold(input, options.threshold(), options.value());
}

Tensor tanh(const Tensor& input) { return backflow::tanh(input); }

Tensor sigmoid(const Tensor& input) { return backflow::sigmoid(input); }

Tensor logsigmoid(const Tensor& input) { return backflow::log_sigmoid(input); }

Tensor softmax(const Tensor& input, const SoftmaxFuncOptions& options) {
  return backflow::softmax(converted(input, options), options.dim());
}

Tensor softmin(const Tensor& input, const SoftminFuncOptions& options) {
  return backflow::softmax(-converted(input, options), options.dim());
}

Tensor log_softmax(const Tensor& input, const LogSoftmaxFuncOptions& options) {
  return backflow::log_softmax(converted(input, options), options.dim());
}

}  // namespace backflow::nn::functional
