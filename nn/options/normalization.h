#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <backflow/nn/options/arg.h>
#include <backflow/runtime/tensor/tensor.h>

/// The options of normalizations, as libtorch's.
namespace backflow::nn {

namespace detail {

/// Shared by the options of normalizations with running statistics; `Options` is the derived class.
template <class Options, class Momentum>
class RunningNormOptions {
 public:
  RunningNormOptions(std::int64_t num_features, bool affine, bool track_running_stats)
      : num_features_(num_features), affine_(affine), track_running_stats_(track_running_stats) {}

  Options& num_features(std::int64_t features) {
    num_features_ = features;
    return self();
  }
  Options& eps(double eps) {
    eps_ = eps;
    return self();
  }
  /// The share of the new statistics in the running ones.
  Options& momentum(Momentum momentum) {
    momentum_ = momentum;
    return self();
  }
  /// Whether there are a weight and a bias.
  Options& affine(bool affine) {
    affine_ = affine;
    return self();
  }
  Options& track_running_stats(bool track) {
    track_running_stats_ = track;
    return self();
  }
  std::int64_t num_features() const { return num_features_; }
  double eps() const { return eps_; }
  Momentum momentum() const { return momentum_; }
  bool affine() const { return affine_; }
  bool track_running_stats() const { return track_running_stats_; }

 private:
  Options& self() { return static_cast<Options&>(*this); }

  std::int64_t num_features_;
  double eps_ = 1e-5;
  Momentum momentum_ = 0.1;
  bool affine_;
  bool track_running_stats_;
};

/// Shared by the options of functions.
template <class Options>
class NormFuncOptions {
 public:
  Options& weight(Tensor weight) {
    weight_ = std::move(weight);
    return self();
  }
  Options& bias(Tensor bias) {
    bias_ = std::move(bias);
    return self();
  }
  Options& eps(double eps) {
    eps_ = eps;
    return self();
  }
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }
  double eps() const { return eps_; }

 private:
  Options& self() { return static_cast<Options&>(*this); }

  Tensor weight_;
  Tensor bias_;
  double eps_ = 1e-5;
};

}  // namespace detail

/// Without a momentum the running statistics are the averages over all batches so far.
class BatchNormOptions : public detail::RunningNormOptions<BatchNormOptions, std::optional<double>> {
 public:
  BatchNormOptions(std::int64_t num_features)  // NOLINT(google-explicit-constructor)
      : RunningNormOptions(num_features, true, true) {}
};
using BatchNorm1dOptions = BatchNormOptions;
using BatchNorm2dOptions = BatchNormOptions;
using BatchNorm3dOptions = BatchNormOptions;

class InstanceNormOptions : public detail::RunningNormOptions<InstanceNormOptions, double> {
 public:
  InstanceNormOptions(std::int64_t num_features)  // NOLINT(google-explicit-constructor)
      : RunningNormOptions(num_features, false, false) {}
};
using InstanceNorm1dOptions = InstanceNormOptions;
using InstanceNorm2dOptions = InstanceNormOptions;
using InstanceNorm3dOptions = InstanceNormOptions;

class LayerNormOptions {
 public:
  LayerNormOptions(std::vector<std::int64_t> normalized_shape)  // NOLINT(google-explicit-constructor)
      : normalized_shape_(std::move(normalized_shape)) {}
  LayerNormOptions& normalized_shape(std::vector<std::int64_t> shape) {
    normalized_shape_ = std::move(shape);
    return *this;
  }
  LayerNormOptions& eps(double eps) {
    eps_ = eps;
    return *this;
  }
  /// Whether there are a weight and a bias.
  LayerNormOptions& elementwise_affine(bool affine) {
    elementwise_affine_ = affine;
    return *this;
  }
  const std::vector<std::int64_t>& normalized_shape() const { return normalized_shape_; }
  double eps() const { return eps_; }
  bool elementwise_affine() const { return elementwise_affine_; }

 private:
  std::vector<std::int64_t> normalized_shape_;
  double eps_ = 1e-5;
  bool elementwise_affine_ = true;
};

/// Without an eps it is the machine epsilon of the input's dtype.
class RMSNormOptions {
 public:
  RMSNormOptions(std::vector<std::int64_t> normalized_shape)  // NOLINT(google-explicit-constructor)
      : normalized_shape_(std::move(normalized_shape)) {}
  RMSNormOptions& normalized_shape(std::vector<std::int64_t> shape) {
    normalized_shape_ = std::move(shape);
    return *this;
  }
  RMSNormOptions& eps(std::optional<double> eps) {
    eps_ = eps;
    return *this;
  }
  /// Whether there is a weight.
  RMSNormOptions& elementwise_affine(bool affine) {
    elementwise_affine_ = affine;
    return *this;
  }
  const std::vector<std::int64_t>& normalized_shape() const { return normalized_shape_; }
  std::optional<double> eps() const { return eps_; }
  bool elementwise_affine() const { return elementwise_affine_; }

 private:
  std::vector<std::int64_t> normalized_shape_;
  std::optional<double> eps_;
  bool elementwise_affine_ = true;
};

class GroupNormOptions {
 public:
  GroupNormOptions(std::int64_t num_groups, std::int64_t num_channels)
      : num_groups_(num_groups), num_channels_(num_channels) {}
  GroupNormOptions& num_groups(std::int64_t groups) {
    num_groups_ = groups;
    return *this;
  }
  GroupNormOptions& num_channels(std::int64_t channels) {
    num_channels_ = channels;
    return *this;
  }
  GroupNormOptions& eps(double eps) {
    eps_ = eps;
    return *this;
  }
  /// Whether there are a weight and a bias.
  GroupNormOptions& affine(bool affine) {
    affine_ = affine;
    return *this;
  }
  std::int64_t num_groups() const { return num_groups_; }
  std::int64_t num_channels() const { return num_channels_; }
  double eps() const { return eps_; }
  bool affine() const { return affine_; }

 private:
  std::int64_t num_groups_;
  std::int64_t num_channels_;
  double eps_ = 1e-5;
  bool affine_ = true;
};

/// `size`: the number of channels over which squares are averaged; see nn::functional::local_response_norm.
class LocalResponseNormOptions {
 public:
  LocalResponseNormOptions(std::int64_t size) : size_(size) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(std::int64_t, size);
  BACKFLOW_ARG(double, alpha) = 1e-4;
  BACKFLOW_ARG(double, beta) = 0.75;
  BACKFLOW_ARG(double, k) = 1;
};

namespace functional {

using LocalResponseNormFuncOptions = LocalResponseNormOptions;

class BatchNormFuncOptions : public nn::detail::NormFuncOptions<BatchNormFuncOptions> {
 public:
  BatchNormFuncOptions& training(bool training) {
    training_ = training;
    return *this;
  }
  /// The share of the new statistics in the running ones; must be given when training.
  BatchNormFuncOptions& momentum(std::optional<double> momentum) {
    momentum_ = momentum;
    return *this;
  }
  bool training() const { return training_; }
  std::optional<double> momentum() const { return momentum_; }

 private:
  bool training_ = false;
  std::optional<double> momentum_ = 0.1;
};

class InstanceNormFuncOptions : public nn::detail::NormFuncOptions<InstanceNormFuncOptions> {
 public:
  InstanceNormFuncOptions& running_mean(Tensor mean) {
    running_mean_ = std::move(mean);
    return *this;
  }
  InstanceNormFuncOptions& running_var(Tensor variance) {
    running_var_ = std::move(variance);
    return *this;
  }
  /// Whether to use the statistics of the input; else the running ones.
  InstanceNormFuncOptions& use_input_stats(bool use) {
    use_input_stats_ = use;
    return *this;
  }
  InstanceNormFuncOptions& momentum(double momentum) {
    momentum_ = momentum;
    return *this;
  }
  const Tensor& running_mean() const { return running_mean_; }
  const Tensor& running_var() const { return running_var_; }
  bool use_input_stats() const { return use_input_stats_; }
  double momentum() const { return momentum_; }

 private:
  Tensor running_mean_;
  Tensor running_var_;
  bool use_input_stats_ = true;
  double momentum_ = 0.1;
};

class LayerNormFuncOptions : public nn::detail::NormFuncOptions<LayerNormFuncOptions> {
 public:
  LayerNormFuncOptions(std::vector<std::int64_t> normalized_shape)  // NOLINT(google-explicit-constructor)
      : normalized_shape_(std::move(normalized_shape)) {}
  LayerNormFuncOptions& normalized_shape(std::vector<std::int64_t> shape) {
    normalized_shape_ = std::move(shape);
    return *this;
  }
  const std::vector<std::int64_t>& normalized_shape() const { return normalized_shape_; }

 private:
  std::vector<std::int64_t> normalized_shape_;
};

class RMSNormFuncOptions {
 public:
  RMSNormFuncOptions(std::vector<std::int64_t> normalized_shape)  // NOLINT(google-explicit-constructor)
      : normalized_shape_(std::move(normalized_shape)) {}
  RMSNormFuncOptions& normalized_shape(std::vector<std::int64_t> shape) {
    normalized_shape_ = std::move(shape);
    return *this;
  }
  RMSNormFuncOptions& weight(Tensor weight) {
    weight_ = std::move(weight);
    return *this;
  }
  RMSNormFuncOptions& eps(std::optional<double> eps) {
    eps_ = eps;
    return *this;
  }
  const std::vector<std::int64_t>& normalized_shape() const { return normalized_shape_; }
  const Tensor& weight() const { return weight_; }
  std::optional<double> eps() const { return eps_; }

 private:
  std::vector<std::int64_t> normalized_shape_;
  Tensor weight_;
  std::optional<double> eps_;
};

class GroupNormFuncOptions : public nn::detail::NormFuncOptions<GroupNormFuncOptions> {
 public:
  GroupNormFuncOptions(std::int64_t num_groups)  // NOLINT(google-explicit-constructor)
      : num_groups_(num_groups) {}
  GroupNormFuncOptions& num_groups(std::int64_t groups) {
    num_groups_ = groups;
    return *this;
  }
  std::int64_t num_groups() const { return num_groups_; }

 private:
  std::int64_t num_groups_;
};

}  // namespace functional
}  // namespace backflow::nn
