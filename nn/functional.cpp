#include <backflow/nn/functional.h>

#include <backflow/ops/functions.h>

namespace backflow::nn::functional {

Tensor relu(const Tensor& input) { return backflow::relu(input); }

Tensor tanh(const Tensor& input) { return backflow::tanh(input); }

Tensor sigmoid(const Tensor& input) { return backflow::sigmoid(input); }

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  return backflow::linear(input, weight, bias);
}

Tensor log_softmax(const Tensor& input, const LogSoftmaxFuncOptions& options) {
  return backflow::log_softmax(input, options.dim());
}

}  // namespace backflow::nn::functional
