#pragma once

#include <backflow/nn/modules/loss_module.h>

namespace backflow::nn {

/// Negative log-likelihood of log-probabilities [classes], [rows, classes] or [rows, classes, ...]. Targets are int64
/// classes in that shape without the dimension of classes.
class NLLLossImpl : public detail::WeightedLossModule<NLLLossOptions, functional::nll_loss> {
 public:
  using WeightedLossModule::WeightedLossModule;
};
BACKFLOW_MODULE(NLLLoss);

/// Cross-entropy of scores [classes], [rows, classes] or [rows, classes, ...]. Targets are int64 classes in that shape
/// without the dimension of classes, or probabilities in the same shape.
class CrossEntropyLossImpl : public detail::WeightedLossModule<CrossEntropyLossOptions, functional::cross_entropy> {
 public:
  using WeightedLossModule::WeightedLossModule;
};
BACKFLOW_MODULE(CrossEntropyLoss);

}  // namespace backflow::nn
