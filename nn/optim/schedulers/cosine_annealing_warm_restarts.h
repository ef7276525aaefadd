#pragma once

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// As CosineAnnealingLR, with a jump back to the base learning rate at the end of each period. The first period has T_0
/// steps, each other T_mult times those of the one before. Values are those of PyTorch's CosineAnnealingWarmRestarts.
class CosineAnnealingWarmRestarts final : public ClosedFormLR {
 public:
  /// Throws Error for a T_0 or a T_mult below 1.
  CosineAnnealingWarmRestarts(Optimizer& optimizer, std::int64_t t_0, std::int64_t t_mult = 1, double eta_min = 0);

  double lr_at(std::size_t group, std::int64_t t) const override;

 private:
  const std::int64_t t_0_;
  const std::int64_t t_mult_;
  const double eta_min_;
};

}  // namespace backflow::optim
