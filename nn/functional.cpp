#include <backflow/nn/functional.h>

#include <backflow/ops/functions.h>

namespace backflow::nn::functional {

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  return backflow::linear(input, weight, bias);
}

Tensor log_softmax(const Tensor& input, const LogSoftmaxFuncOptions& options) {
  return backflow::log_softmax(input, options.dim());
Tensor nll_loss(const Tensor& input, const Tensor& target, const NLLLossFuncOptions& options) {
  return backflow::nll_loss(input, target, number(options.reduction()));
}

Tensor cross_entropy(const Tensor& input, const Tensor& target, const CrossEntropyFuncOptions& options) {
  return backflow::cross_entropy_loss(input, target, number(options.reduction()));
}

Tensor mse_loss(const Tensor& input, const Tensor& target, const MSELossFuncOptions& options) {
  return backflow::mse_loss(input, target, number(options.reduction()));
}

}  // namespace backflow::nn::functional
