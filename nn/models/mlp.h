#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <backflow/nn/modules/activation.h>
#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/options/arg.h>

namespace backflow::nn {

/// The layers of a multilayer perceptron, and what stands between them.
class MLPOptions {
 public:
  /// Sizes of input, hidden layers and output.
  explicit MLPOptions(std::vector<std::int64_t> sizes) : sizes_(std::move(sizes)) {}
  BACKFLOW_ARG(std::vector<std::int64_t>, sizes);
  BACKFLOW_ARG(std::string, activation) = "relu";  ///< one of activations()
  BACKFLOW_ARG(double, dropout) = 0;               ///< probability, behind each activation

 public:
  static std::vector<std::string> activations();
};

/// A multilayer perceptron: Linear layers with activations between them. Input [batch, ...], of which all but the batch
/// is flattened; result [batch, output]. Parameters: "0.weight", "0.bias", "2.weight", ...
class MLPImpl : public SequentialImpl {
 public:
  /// Throws Error for fewer than two sizes, and for an unknown activation.
  explicit MLPImpl(const MLPOptions& options);
  /// Sizes of input, hidden layers and output, with ReLU between them.
  explicit MLPImpl(const std::vector<std::int64_t>& sizes) : MLPImpl(MLPOptions(sizes)) {}
  template <std::convertible_to<std::int64_t>... Sizes>
  explicit MLPImpl(std::int64_t input, Sizes... sizes)
      : MLPImpl(std::vector<std::int64_t>{input, static_cast<std::int64_t>(sizes)...}) {}

  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;
};
BACKFLOW_MODULE(MLP);

}  // namespace backflow::nn
