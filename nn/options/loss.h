#pragma once

#include <cstdint>
#include <utility>

#include <backflow/nn/enums.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn {

namespace detail {

/// Shared by the options of all losses: the reduction.
template <class Options>
class LossOptions {
 public:
  using reduction_t = enumtype::Reduction;  // NOLINT: libtorch's name

  Options& reduction(reduction_t reduction) {
    reduction_ = reduction;
    return static_cast<Options&>(*this);
  }
  reduction_t reduction() const { return reduction_; }

 private:
  reduction_t reduction_ = kMean;
};

/// For losses with a weight; an undefined weight means equal weights.
template <class Options>
class WeightedLossOptions : public LossOptions<Options> {
 public:
  Options& weight(Tensor weight) {
    weight_ = std::move(weight);
    return static_cast<Options&>(*this);
  }
  const Tensor& weight() const { return weight_; }

 private:
  Tensor weight_;
};

/// For losses with a margin.
template <class Base, class Options>
class MarginLossOptions : public Base {
 public:
  Options& margin(double margin) {
    margin_ = margin;
    return static_cast<Options&>(*this);
  }
  double margin() const { return margin_; }

 protected:
  explicit MarginLossOptions(double margin) : margin_(margin) {}

 private:
  double margin_;
};

}  // namespace detail

class L1LossOptions : public detail::LossOptions<L1LossOptions> {
 public:
  L1LossOptions() = default;
  L1LossOptions(reduction_t value) { reduction(value); }  // NOLINT(google-explicit-constructor)
};

class MSELossOptions : public detail::LossOptions<MSELossOptions> {
 public:
  MSELossOptions() = default;
  MSELossOptions(reduction_t value) { reduction(value); }  // NOLINT(google-explicit-constructor)
};

/// Below `beta` the loss is squared.
class SmoothL1LossOptions : public detail::LossOptions<SmoothL1LossOptions> {
 public:
  SmoothL1LossOptions() = default;
  SmoothL1LossOptions(reduction_t value) { reduction(value); }  // NOLINT(google-explicit-constructor)
  SmoothL1LossOptions& beta(double beta) {
    beta_ = beta;
    return *this;
  }
  double beta() const { return beta_; }

 private:
  double beta_ = 1;
};

/// Up to `delta` the loss is squared.
class HuberLossOptions : public detail::LossOptions<HuberLossOptions> {
 public:
  HuberLossOptions() = default;
  HuberLossOptions(reduction_t value) { reduction(value); }  // NOLINT(google-explicit-constructor)
  HuberLossOptions& delta(double delta) {
    delta_ = delta;
    return *this;
  }
  double delta() const { return delta_; }

 private:
  double delta_ = 1;
};

/// `log_target`: targets are logarithms. kMean divides by all elements, kBatchMean by the batch, as in the divergence's
/// definition.
class KLDivLossOptions : public detail::LossOptions<KLDivLossOptions> {
 public:
  KLDivLossOptions() = default;
  KLDivLossOptions(reduction_t value) { reduction(value); }  // NOLINT(google-explicit-constructor)
  KLDivLossOptions& log_target(bool log_target) {
    log_target_ = log_target;
    return *this;
  }
  bool log_target() const { return log_target_; }

 private:
  bool log_target_ = false;
};

/// The weight broadcasts to the input.
class BCELossOptions : public detail::WeightedLossOptions<BCELossOptions> {
 public:
};

/// weight and pos_weight, the weight of the positive class, broadcast to the input.
class BCEWithLogitsLossOptions : public detail::WeightedLossOptions<BCEWithLogitsLossOptions> {
 public:
  BCEWithLogitsLossOptions& pos_weight(Tensor pos_weight) {
    pos_weight_ = std::move(pos_weight);
    return *this;
  }
  const Tensor& pos_weight() const { return pos_weight_; }

 private:
  Tensor pos_weight_;
};

/// The weight has one number for each class. Targets equal to `ignore_index` are skipped.
class NLLLossOptions : public detail::WeightedLossOptions<NLLLossOptions> {
 public:
  NLLLossOptions& ignore_index(std::int64_t ignore_index) {
    ignore_index_ = ignore_index;
    return *this;
  }
  std::int64_t ignore_index() const { return ignore_index_; }

 private:
  std::int64_t ignore_index_ = -100;
};

/// As NLLLossOptions, and `label_smoothing`: the share of the target probabilities that is uniform.
class CrossEntropyLossOptions : public detail::WeightedLossOptions<CrossEntropyLossOptions> {
 public:
  CrossEntropyLossOptions& ignore_index(std::int64_t ignore_index) {
    ignore_index_ = ignore_index;
    return *this;
  }
  CrossEntropyLossOptions& label_smoothing(double label_smoothing) {
    label_smoothing_ = label_smoothing;
    return *this;
  }
  std::int64_t ignore_index() const { return ignore_index_; }
  double label_smoothing() const { return label_smoothing_; }

 private:
  std::int64_t ignore_index_ = -100;
  double label_smoothing_ = 0;
};

class HingeEmbeddingLossOptions
    : public detail::MarginLossOptions<detail::LossOptions<HingeEmbeddingLossOptions>, HingeEmbeddingLossOptions> {
 public:
  HingeEmbeddingLossOptions() : MarginLossOptions(1) {}
};

class MarginRankingLossOptions
    : public detail::MarginLossOptions<detail::LossOptions<MarginRankingLossOptions>, MarginRankingLossOptions> {
 public:
  MarginRankingLossOptions() : MarginLossOptions(0) {}
};

class CosineEmbeddingLossOptions
    : public detail::MarginLossOptions<detail::LossOptions<CosineEmbeddingLossOptions>, CosineEmbeddingLossOptions> {
 public:
  CosineEmbeddingLossOptions() : MarginLossOptions(0) {}
};

/// The power p is 1 or 2; the weight has one number for each class.
class MultiMarginLossOptions
    : public detail::MarginLossOptions<detail::WeightedLossOptions<MultiMarginLossOptions>, MultiMarginLossOptions> {
 public:
  MultiMarginLossOptions() : MarginLossOptions(1) {}
  MultiMarginLossOptions& p(std::int64_t p) {
    p_ = p;
    return *this;
  }
  std::int64_t p() const { return p_; }

 private:
  std::int64_t p_ = 1;
};

class MultiLabelMarginLossOptions : public detail::LossOptions<MultiLabelMarginLossOptions> {
 public:
  MultiLabelMarginLossOptions() = default;
  MultiLabelMarginLossOptions(reduction_t value) { reduction(value); }  // NOLINT(google-explicit-constructor)
};

class SoftMarginLossOptions : public detail::LossOptions<SoftMarginLossOptions> {
 public:
  SoftMarginLossOptions() = default;
  SoftMarginLossOptions(reduction_t value) { reduction(value); }  // NOLINT(google-explicit-constructor)
};

class MultiLabelSoftMarginLossOptions : public detail::WeightedLossOptions<MultiLabelSoftMarginLossOptions> {
 public:
};

/// p and eps as in pairwise_distance. With `swap` the distance to the negative is the smaller one of anchor's and
/// positive's.
class TripletMarginLossOptions
    : public detail::MarginLossOptions<detail::LossOptions<TripletMarginLossOptions>, TripletMarginLossOptions> {
 public:
  TripletMarginLossOptions() : MarginLossOptions(1) {}
  TripletMarginLossOptions& p(double p) {
    p_ = p;
    return *this;
  }
  TripletMarginLossOptions& eps(double eps) {
    eps_ = eps;
    return *this;
  }
  TripletMarginLossOptions& swap(bool swap) {
    swap_ = swap;
    return *this;
  }
  double p() const { return p_; }
  double eps() const { return eps_; }
  bool swap() const { return swap_; }

 private:
  double p_ = 2;
  double eps_ = 1e-6;
  bool swap_ = false;
};

/// `log_input`: inputs are logarithms of means. `full`: adds the constant terms (Stirling). `eps`: keeps the logarithm
/// of a mean finite.
class PoissonNLLLossOptions : public detail::LossOptions<PoissonNLLLossOptions> {
 public:
  PoissonNLLLossOptions& log_input(bool log_input) {
    log_input_ = log_input;
    return *this;
  }
  PoissonNLLLossOptions& full(bool full) {
    full_ = full;
    return *this;
  }
  PoissonNLLLossOptions& eps(double eps) {
    eps_ = eps;
    return *this;
  }
  bool log_input() const { return log_input_; }
  bool full() const { return full_; }
  double eps() const { return eps_; }

 private:
  bool log_input_ = true;
  bool full_ = false;
  double eps_ = 1e-8;
};

namespace functional {

using L1LossFuncOptions = L1LossOptions;
using MSELossFuncOptions = MSELossOptions;
using SmoothL1LossFuncOptions = SmoothL1LossOptions;
using HuberLossFuncOptions = HuberLossOptions;
using KLDivFuncOptions = KLDivLossOptions;
using BinaryCrossEntropyFuncOptions = BCELossOptions;
using BinaryCrossEntropyWithLogitsFuncOptions = BCEWithLogitsLossOptions;
using NLLLossFuncOptions = NLLLossOptions;
using CrossEntropyFuncOptions = CrossEntropyLossOptions;
using HingeEmbeddingLossFuncOptions = HingeEmbeddingLossOptions;
using MarginRankingLossFuncOptions = MarginRankingLossOptions;
using CosineEmbeddingLossFuncOptions = CosineEmbeddingLossOptions;
using MultiMarginLossFuncOptions = MultiMarginLossOptions;
using MultilabelMarginLossFuncOptions = MultiLabelMarginLossOptions;
using SoftMarginLossFuncOptions = SoftMarginLossOptions;
using MultilabelSoftMarginLossFuncOptions = MultiLabelSoftMarginLossOptions;
using TripletMarginLossFuncOptions = TripletMarginLossOptions;
using PoissonNLLLossFuncOptions = PoissonNLLLossOptions;

}  // namespace functional
}  // namespace backflow::nn
