#include <backflow/nn/optim/schedulers/polynomial_lr.h>

#include <algorithm>
#include <cmath>

namespace backflow::optim {

PolynomialLR::PolynomialLR(Optimizer& optimizer, std::int64_t total_iters, double power)
    : ClosedFormLR(optimizer), total_iters_(total_iters), power_(power) {
  check(total_iters >= 1, "polynomial_lr: total_iters ", total_iters, ": need a number >= 1");
  go_to(0);
}

double PolynomialLR::lr_at(std::size_t group, std::int64_t t) const {
  const double done = static_cast<double>(std::min(t, total_iters_)) / static_cast<double>(total_iters_);
  return base_lr(group) * std::pow(1 - done, power_);
}

}  // namespace backflow::optim
