#include <backflow/nn/functional.h>

#include <backflow/ops/functions.h>
#include <backflow/ops/reduction.h>

namespace backflow::nn::functional {
namespace {

std::int64_t number(enumtype::Reduction reduction) {
  return reduction == kNone ? Reduction::None : reduction == kMean ? Reduction::Mean : Reduction::Sum;
}

}  // namespace

Tensor relu(const Tensor& input) { return backflow::relu(input); }

Tensor tanh(const Tensor& input) { return backflow::tanh(input); }

Tensor sigmoid(const Tensor& input) { return backflow::sigmoid(input); }

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  return backflow::linear(input, weight, bias);
}

Tensor log_softmax(const Tensor& input, const LogSoftmaxFuncOptions& options) {
  return backflow::log_softmax(input, options.dim());
}

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
