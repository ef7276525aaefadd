#pragma once

#include <backflow/nn/functional/loss.h>
#include <backflow/nn/module.h>

namespace backflow::nn::detail {

/// A loss without state: `kFunction` of its arguments and `Options`.
template <class Options, auto kFunction>
class LossModule : public Module {
 public:
  explicit LossModule(const Options& options_ = {}) : options(options_) {}

  Tensor forward(const Tensor& input, const Tensor& target) const { return kFunction(input, target, options); }

  Options options;
};

/// The same for three arguments: two inputs and a target, or anchor, positive and negative.
template <class Options, auto kFunction>
class LossModuleOfThree : public Module {
 public:
  explicit LossModuleOfThree(const Options& options_ = {}) : options(options_) {}

  Tensor forward(const Tensor& x1, const Tensor& x2, const Tensor& x3) const { return kFunction(x1, x2, x3, options); }

  Options options;
};

/// A loss with an optional weight, the buffer "weight".
template <class Options, auto kFunction>
class WeightedLossModule : public Module {
 public:
  explicit WeightedLossModule(const Options& options_ = {}) : options(options_), weight(options_.weight()) {
    if (weight.defined()) {
      register_buffer("weight", weight);
    }
  }

  Tensor forward(const Tensor& input, const Tensor& target) const {
    return kFunction(input, target, Options(options).weight(weight));
  }

  Options options;
  Tensor weight;  ///< undefined for equal weights
};

}  // namespace backflow::nn::detail
