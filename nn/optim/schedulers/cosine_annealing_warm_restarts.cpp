#include <backflow/nn/optim/schedulers/cosine_annealing_warm_restarts.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace backflow::optim {

CosineAnnealingWarmRestarts::CosineAnnealingWarmRestarts(Optimizer& optimizer, std::int64_t t_0, std::int64_t t_mult,
                                                         double eta_min)
    : ClosedFormLR(optimizer), t_0_(t_0), t_mult_(t_mult), eta_min_(eta_min) {
  check(t_0 >= 1 && t_mult >= 1, "cosine_annealing_warm_restarts: T_0 ", t_0, " and T_mult ", t_mult,
        ": need numbers >= 1");
  go_to(0);
}

double CosineAnnealingWarmRestarts::lr_at(std::size_t group, std::int64_t t) const {
  std::int64_t period = t_0_;
  std::int64_t done = t;
  if (t_mult_ == 1) {
    done = t % period;
  } else {
    // A period that no t can leave behind is the last: its length need not be a number of 64 bits.
    while (done >= period) {
      done -= period;
      if (__builtin_mul_overflow(period, t_mult_, &period)) {
        period = std::numeric_limits<std::int64_t>::max();
      }
    }
  }
  const double angle = std::numbers::pi * static_cast<double>(done) / static_cast<double>(period);
  return eta_min_ + (base_lr(group) - eta_min_) * (1 + std::cos(angle)) / 2;
}

}  // namespace backflow::optim
