#pragma once

#include <backflow/nn/functional.h>
#include <backflow/nn/module.h>

namespace backflow::nn {

/// Cross-entropy of scores [rows, classes] and int64 classes [rows]: the mean over rows, unless the options say kSum or
/// kNone.
class CrossEntropyLossImpl : public Module {
 public:
  explicit CrossEntropyLossImpl(const CrossEntropyLossOptions& options_ = {}) : options(options_) {}
  Tensor forward(const Tensor& input, const Tensor& target) const {
    return functional::cross_entropy(input, target, options);
  }
  CrossEntropyLossOptions options;
};
BACKFLOW_MODULE(CrossEntropyLoss);

/// Negative log-likelihood of log-probabilities [rows, classes] and int64 classes [rows], reduced as the cross-entropy.
class NLLLossImpl : public Module {
 public:
  explicit NLLLossImpl(const NLLLossOptions& options_ = {}) : options(options_) {}
  Tensor forward(const Tensor& input, const Tensor& target) const {
    return functional::nll_loss(input, target, options);
  }
  NLLLossOptions options;
};
BACKFLOW_MODULE(NLLLoss);

/// The squared error of two tensors of one shape: the mean over elements, unless the options say kSum or kNone.
class MSELossImpl : public Module {
 public:
  explicit MSELossImpl(const MSELossOptions& options_ = {}) : options(options_) {}
  Tensor forward(const Tensor& input, const Tensor& target) const {
    return functional::mse_loss(input, target, options);
  }
  MSELossOptions options;
};
BACKFLOW_MODULE(MSELoss);

}  // namespace backflow::nn
