#include <backflow/nn/models/mlp.h>

namespace backflow::nn {

MLPImpl::MLPImpl(const std::vector<std::int64_t>& sizes) {
  check(sizes.size() >= 2, "mlp: sizes ", IntArrayRef(sizes), ": need at least an input and an output");
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (i > 0) {
      push_back(ReLU());
    }
    push_back(Linear(sizes[i], sizes[i + 1]));
  }
}

Tensor MLPImpl::forward(const Tensor& input) const {
  check(input.dim() >= 2, "mlp: input ", describe(input), ": need [batch, ...]");
  return SequentialImpl::forward(input.dim() == 2 ? input : input.flatten(1));
}

DimVector MLPImpl::output_shape(IntArrayRef input) const {
  check(input.size() >= 2, "mlp: input shape ", input, ": need [batch, ...]");
  return SequentialImpl::output_shape(FlattenImpl().output_shape(input));
}

}  // namespace backflow::nn
