#pragma once

#include <concepts>
#include <cstdint>
#include <vector>

#include <backflow/nn/modules/activation.h>
#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/linear.h>

namespace backflow::nn {

/// A multilayer perceptron: Linear layers with ReLU between them. Input [batch, ...], of which all but the batch is
/// flattened; result [batch, output]. Parameters: "0.weight", "0.bias", "2.weight", ...
class MLPImpl : public SequentialImpl {
 public:
  /// Sizes of input, hidden layers and output. Throws Error for fewer than two.
  explicit MLPImpl(const std::vector<std::int64_t>& sizes);
  template <std::convertible_to<std::int64_t>... Sizes>
  explicit MLPImpl(std::int64_t input, Sizes... sizes)
      : MLPImpl(std::vector<std::int64_t>{input, static_cast<std::int64_t>(sizes)...}) {}

  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;
};
BACKFLOW_MODULE(MLP);

}  // namespace backflow::nn
