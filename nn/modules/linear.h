#pragma once

#include <backflow/nn/module.h>
#include <backflow/nn/options.h>

namespace backflow::nn {

/// y = x w^T + b: input [..., in_features], result [..., out_features]. Parameters: weight [out_features, in_features]
/// and, unless left out, bias [out_features]; both start as PyTorch's, uniform in +-1 / sqrt(in_features).
class LinearImpl : public Module {
 public:
  /// Throws Error for negative sizes.
  LinearImpl(std::int64_t in_features, std::int64_t out_features)
      : LinearImpl(LinearOptions(in_features, out_features)) {}
  explicit LinearImpl(const LinearOptions& options);

  Tensor forward(const Tensor& input) const;
  /// Draws the parameters anew.
  void reset_parameters();
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  LinearOptions options;
  Tensor weight;
  Tensor bias;  ///< undefined when left out
};
BACKFLOW_MODULE(Linear);

/// Makes several dimensions one: all but the first, unless the options say otherwise. Inputs of any shape.
class FlattenImpl : public Module {
 public:
  explicit FlattenImpl(const FlattenOptions& options_ = {}) : options(options_) {}

  Tensor forward(const Tensor& input) const { return input.flatten(options.start_dim(), options.end_dim()); }
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  FlattenOptions options;
};
BACKFLOW_MODULE(Flatten);

}  // namespace backflow::nn
