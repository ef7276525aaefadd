#pragma once

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// Lowers the learning rate along half a cosine, as PyTorch's CosineAnnealingLR; past T_max it rises again:
///
///   lr(t) = eta_min + (base - eta_min) (1 + cos(pi t / T_max)) / 2
///
/// Loshchilov and Hutter: "SGDR: Stochastic gradient descent with warm restarts", ICLR 2017.
class CosineAnnealingLR final : public ClosedFormLR {
 public:
  /// Throws Error for a T_max below 1.
  CosineAnnealingLR(Optimizer& optimizer, std::int64_t t_max, double eta_min = 0);

  double lr_at(std::size_t group, std::int64_t t) const override;

 private:
  const std::int64_t t_max_;
  const double eta_min_;
};

}  // namespace backflow::optim
