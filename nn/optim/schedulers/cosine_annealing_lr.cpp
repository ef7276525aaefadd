#include <backflow/nn/optim/schedulers/cosine_annealing_lr.h>

#include <cmath>
#include <numbers>

namespace backflow::optim {

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, std::int64_t t_max, double eta_min)
    : ClosedFormLR(optimizer), t_max_(t_max), eta_min_(eta_min) {
  check(t_max >= 1, "cosine_annealing_lr: T_max ", t_max, ": need a number >= 1");
  go_to(0);
}

double CosineAnnealingLR::lr_at(std::size_t group, std::int64_t t) const {
  const double angle = std::numbers::pi * static_cast<double>(t) / static_cast<double>(t_max_);
  return eta_min_ + (base_lr(group) - eta_min_) * (1 + std::cos(angle)) / 2;
}

}  // namespace backflow::optim
