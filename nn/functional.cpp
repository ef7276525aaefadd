#include <backflow/nn/functional.h>

#include <backflow/ops/functions.h>

namespace backflow::nn::functional {

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  return backflow::linear(input, weight, bias);
}

}  // namespace backflow::nn::functional
