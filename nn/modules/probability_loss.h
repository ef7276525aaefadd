#pragma once

#include <backflow/nn/modules/loss_module.h>

namespace backflow::nn {

/// Cross-entropy of probabilities in [0, 1] and targets of one shape.
class BCELossImpl : public detail::LossModule<BCELossOptions, functional::binary_cross_entropy> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(BCELoss);

/// Kullback-Leibler divergence of log-probabilities from probabilities, or their logarithms, of one shape.
class KLDivLossImpl : public detail::LossModule<KLDivLossOptions, functional::kl_div> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(KLDivLoss);

/// Negative log-likelihood of counts for a Poisson distribution whose mean, or its logarithm, is the input.
class PoissonNLLLossImpl : public detail::LossModule<PoissonNLLLossOptions, functional::poisson_nll_loss> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(PoissonNLLLoss);

/// Cross-entropy of logits and targets of one shape, without overflow. Buffers, where the options have them: weight and
/// pos_weight, which broadcast to the input.
class BCEWithLogitsLossImpl
    : public detail::WeightedLossModule<BCEWithLogitsLossOptions, functional::binary_cross_entropy_with_logits> {
 public:
  explicit BCEWithLogitsLossImpl(const BCEWithLogitsLossOptions& options_ = {})
      : WeightedLossModule(options_), pos_weight(options_.pos_weight()) {
    if (pos_weight.defined()) {
      register_buffer("pos_weight", pos_weight);
    }
  }

  Tensor forward(const Tensor& input, const Tensor& target) const {
    return functional::binary_cross_entropy_with_logits(
        input, target, BCEWithLogitsLossOptions(options).weight(weight).pos_weight(pos_weight));
  }

  Tensor pos_weight;  ///< that of the positive class; undefined when it is 1
};
BACKFLOW_MODULE(BCEWithLogitsLoss);

}  // namespace backflow::nn
