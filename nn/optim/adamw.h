#pragma once

#include <backflow/nn/optim/adam.h>

namespace backflow::optim {

/// A learning rate, and what else AdamW takes: what Adam does, with a weight decay of 0.01 unless it is set.
class AdamWOptions : public detail::AdamOptionsOf<AdamWOptions> {
 public:
  AdamWOptions(double lr = 1e-3) : AdamOptionsOf(lr, 1e-2) {}  // NOLINT(google-explicit-constructor): as libtorch's
};

using AdamWParamState = AdamParamState;

/// Adam with weight decay of the parameters themselves, exactly PyTorch's: in place of Adam's g = g + weight_decay p,
///
///   p = (1 - lr weight_decay) p
///
/// before the rest. State, dtypes and reproducibility are Adam's. Loshchilov and Hutter: "Decoupled weight decay
/// regularization", ICLR 2019.
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
