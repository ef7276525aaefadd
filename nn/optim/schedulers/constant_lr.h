#pragma once

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// Multiplies the learning rate by `factor` for the first steps, as PyTorch's ConstantLR:
///
///   lr(t) = base factor   for t < total_iters, then base
class ConstantLR final : public ClosedFormLR {
 public:
  /// Throws Error for a factor outside [0, 1] and a negative number of steps.
  explicit ConstantLR(Optimizer& optimizer, double factor = 1.0 / 3, std::int64_t total_iters = 5);

  double lr_at(std::size_t group, std::int64_t t) const override;

 private:
  const double factor_;
  const std::int64_t total_iters_;
};

}  // namespace backflow::optim
