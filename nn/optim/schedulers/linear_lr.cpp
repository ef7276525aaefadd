#include <backflow/nn/optim/schedulers/linear_lr.h>

#include <algorithm>

namespace backflow::optim {

LinearLR::LinearLR(Optimizer& optimizer, double start_factor, double end_factor, std::int64_t total_iters)
    : ClosedFormLR(optimizer), start_factor_(start_factor), end_factor_(end_factor), total_iters_(total_iters) {
  check(start_factor > 0 && start_factor <= 1, "linear_lr: start_factor ", start_factor, ": need a number in (0, 1]");
  check(end_factor >= 0 && end_factor <= 1, "linear_lr: end_factor ", end_factor, ": need a number in [0, 1]");
  check(total_iters >= 1, "linear_lr: total_iters ", total_iters, ": need a number >= 1");
  go_to(0);
}

double LinearLR::lr_at(std::size_t group, std::int64_t t) const {
  const double done = static_cast<double>(std::min(t, total_iters_)) / static_cast<double>(total_iters_);
  return base_lr(group) * (start_factor_ + (end_factor_ - start_factor_) * done);
}

}  // namespace backflow::optim
