#pragma once

#include <vector>

#include <backflow/nn/functional/normalization.h>
#include <backflow/nn/module.h>
#include <backflow/nn/options/normalization.h>

namespace backflow::nn {

/// Normalizes the last dimensions, whose sizes are normalized_shape: y = (x - m) / sqrt(v + eps) w + b with mean m and
/// variance v of each row. Parameters, unless left out: weight (ones at first) and bias (zeros), of normalized_shape.
/// Throws Error for inputs that end in other sizes. (Ba, Kiros and Hinton, Layer normalization, 2016.)
class LayerNormImpl : public Module {
 public:
  explicit LayerNormImpl(std::vector<std::int64_t> normalized_shape)
      : LayerNormImpl(LayerNormOptions(std::move(normalized_shape))) {}
  explicit LayerNormImpl(const LayerNormOptions& options_);

  Tensor forward(const Tensor& input) const;
  void reset_parameters();
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  LayerNormOptions options;
  Tensor weight;
  Tensor bias;
};
BACKFLOW_MODULE(LayerNorm);

/// Divides the last dimensions by their root mean square: y = x / sqrt(mean of x^2 + eps) w. Parameter, unless left
/// out: weight, of normalized_shape (ones at first). (Zhang and Sennrich, Root mean square layer normalization, 2019.)
class RMSNormImpl : public Module {
 public:
  explicit RMSNormImpl(std::vector<std::int64_t> normalized_shape)
      : RMSNormImpl(RMSNormOptions(std::move(normalized_shape))) {}
  explicit RMSNormImpl(const RMSNormOptions& options_);

  Tensor forward(const Tensor& input) const;
  void reset_parameters();
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  RMSNormOptions options;
  Tensor weight;
};
BACKFLOW_MODULE(RMSNorm);

/// Normalizes groups of channels of each sample of an input [batch, num_channels, ...]. Parameters, unless left out:
/// weight (ones at first) and bias (zeros), [num_channels]. Throws Error unless the number of groups divides the number
/// of channels. (Wu and He, Group normalization, 2018.)
class GroupNormImpl : public Module {
 public:
  GroupNormImpl(std::int64_t num_groups, std::int64_t num_channels)
      : GroupNormImpl(GroupNormOptions(num_groups, num_channels)) {}
  explicit GroupNormImpl(const GroupNormOptions& options_);

  Tensor forward(const Tensor& input) const;
  void reset_parameters();
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  GroupNormOptions options;
  Tensor weight;
  Tensor bias;
};
BACKFLOW_MODULE(GroupNorm);

/// Local response normalization over neighbouring channels; see nn::functional::local_response_norm.
class LocalResponseNormImpl : public Module {
 public:
  LocalResponseNormImpl(std::int64_t size)
      : LocalResponseNormImpl(LocalResponseNormOptions(size)) {}  // NOLINT(google-explicit-constructor)
  explicit LocalResponseNormImpl(const LocalResponseNormOptions& options_) : options(options_) {}

  Tensor forward(const Tensor& input) const { return functional::local_response_norm(input, options); }
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  LocalResponseNormOptions options;
};
BACKFLOW_MODULE(LocalResponseNorm);

}  // namespace backflow::nn
