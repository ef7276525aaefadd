#include <backflow/nn/optim/schedulers/constant_lr.h>

namespace backflow::optim {

ConstantLR::ConstantLR(Optimizer& optimizer, double factor, std::int64_t total_iters)
    : ClosedFormLR(optimizer), factor_(factor), total_iters_(total_iters) {
  check(factor >= 0 && factor <= 1, "constant_lr: factor ", factor, ": need a number in [0, 1]");
  check(total_iters >= 0, "constant_lr: total_iters ", total_iters, ": need a number >= 0");
  go_to(0);
}

double ConstantLR::lr_at(std::size_t group, std::int64_t t) const {
  return base_lr(group) * (t < total_iters_ ? factor_ : 1);
}

}  // namespace backflow::optim
