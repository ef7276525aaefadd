#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <backflow/nn/enums.h>
#include <backflow/nn/options/activation.h>
#include <backflow/nn/options/conv.h>
#include <backflow/nn/options/distance.h>
#include <backflow/nn/options/dropout.h>
#include <backflow/nn/options/embedding.h>
#include <backflow/nn/options/loss.h>
#include <backflow/nn/options/normalization.h>
#include <backflow/nn/options/padding.h>
#include <backflow/nn/options/pixelshuffle.h>
#include <backflow/nn/options/pooling.h>
#include <backflow/nn/options/upsampling.h>

/// The options of modules and functions, as libtorch's: each is set by `name(value)`, which returns the options, and
/// read by `name()`.
namespace backflow::nn {

class LinearOptions {
 public:
  LinearOptions(std::int64_t in_features, std::int64_t out_features)
      : in_features_(in_features), out_features_(out_features) {}
  LinearOptions& bias(bool bias) {
    bias_ = bias;
    return *this;
  }
  std::int64_t in_features() const { return in_features_; }
  std::int64_t out_features() const { return out_features_; }
  bool bias() const { return bias_; }

 private:
  std::int64_t in_features_;
  std::int64_t out_features_;
  bool bias_ = true;
};

/// The first and the last of the dimensions that are flattened into one.
class FlattenOptions {
 public:
  FlattenOptions& start_dim(std::int64_t dim) {
    start_dim_ = dim;
    return *this;
  }
  FlattenOptions& end_dim(std::int64_t dim) {
    end_dim_ = dim;
    return *this;
  }
  std::int64_t start_dim() const { return start_dim_; }
  std::int64_t end_dim() const { return end_dim_; }

 private:
  std::int64_t start_dim_ = 1;
  std::int64_t end_dim_ = -1;
};

/// The dimension to split, and the sizes of the new dimensions, one of which may be -1.
class UnflattenOptions {
 public:
  UnflattenOptions(std::int64_t dim, std::vector<std::int64_t> sizes) : dim_(dim), sizes_(std::move(sizes)) {}
  BACKFLOW_ARG(std::int64_t, dim);
  BACKFLOW_ARG(std::vector<std::int64_t>, sizes);
};

/// How the results of branches are combined.
class BranchesOptions {
 public:
  using combine_t = enumtype::Combine;  // NOLINT: in libtorch's manner

  BranchesOptions() = default;
  BranchesOptions(combine_t combine) : combine_(combine) {}  // NOLINT(google-explicit-constructor)
  BranchesOptions& combine(combine_t combine) {
    combine_ = combine;
    return *this;
  }
  /// Of a concatenation.
  BranchesOptions& dim(std::int64_t dim) {
    dim_ = dim;
    return *this;
  }
  combine_t combine() const { return combine_; }
  std::int64_t dim() const { return dim_; }

 private:
  combine_t combine_ = kBranchSum;
  std::int64_t dim_ = 1;
};

}  // namespace backflow::nn
