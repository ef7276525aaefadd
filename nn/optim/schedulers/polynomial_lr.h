#pragma once

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// Lowers the learning rate to 0 by a power of the steps left, as PyTorch's PolynomialLR:
///
///   lr(t) = base (1 - min(t, total_iters) / total_iters)^power
class PolynomialLR final : public ClosedFormLR {
 public:
  /// Throws Error for fewer than one step.
  explicit PolynomialLR(Optimizer& optimizer, std::int64_t total_iters = 5, double power = 1);

  double lr_at(std::size_t group, std::int64_t t) const override;

 private:
  const std::int64_t total_iters_;
  const double power_;
};

}  // namespace backflow::optim
