#pragma once

#include <backflow/nn/optim/adam.h>

namespace backflow::optim {

/// The options of AdamW: those of Adam, with a default weight decay of 0.01.
class AdamWOptions : public detail::AdamOptionsOf<AdamWOptions> {
 public:
  AdamWOptions(double lr = 1e-3) : AdamOptionsOf(lr, 1e-2) {}  // NOLINT(google-explicit-constructor): as libtorch's
};

using AdamWParamState = AdamParamState;

/// Adam with decoupled weight decay, exactly PyTorch's. Instead of Adam's g = g + weight_decay p it first computes
///
///   p = (1 - lr weight_decay) p
///
/// State, dtypes and reproducibility are Adam's. Loshchilov and Hutter: "Decoupled weight decay regularization", ICLR
/// 2019.
class AdamW final : public Optimizer {
 public:
  /// Throws Error for a negative or undefined number, and for a beta outside [0, 1).
  explicit AdamW(std::vector<OptimizerParamGroup> groups, AdamWOptions defaults = {});
  explicit AdamW(std::vector<Tensor> params, AdamWOptions defaults = {});

 protected:
  void check_options(const OptimizerOptions& options) const override;
  StateKept state_kept(const OptimizerOptions& options) const override;
  void update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const override;
};

}  // namespace backflow::optim
