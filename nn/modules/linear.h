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

/// Flattens several dimensions into one: all but the first, unless the options say otherwise. Inputs of any shape.
class FlattenImpl : public Module {
 public:
  explicit FlattenImpl(const FlattenOptions& options_ = {}) : options(options_) {}

  Tensor forward(const Tensor& input) const { return input.flatten(options.start_dim(), options.end_dim()); }
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  FlattenOptions options;
};
BACKFLOW_MODULE(Flatten);

/// Splits a dimension into several of given sizes; the inverse of Flatten.
class UnflattenImpl : public Module {
 public:
  UnflattenImpl(std::int64_t dim, std::vector<std::int64_t> sizes)
      : UnflattenImpl(UnflattenOptions(dim, std::move(sizes))) {}
  explicit UnflattenImpl(const UnflattenOptions& options_) : options(options_) {}

  Tensor forward(const Tensor& input) const { return input.reshape(output_shape(input.sizes())); }
  /// Throws Error unless the dimension has as many elements as the sizes, one of which may be -1.
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  UnflattenOptions options;
};
BACKFLOW_MODULE(Unflatten);

/// The input itself.
class IdentityImpl : public Module {
 public:
  Tensor forward(const Tensor& input) const { return input; }
  DimVector output_shape(IntArrayRef input) const override { return input; }
};
BACKFLOW_MODULE(Identity);

}  // namespace backflow::nn
