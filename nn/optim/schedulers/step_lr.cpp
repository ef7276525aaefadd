#include <backflow/nn/optim/schedulers/step_lr.h>

namespace backflow::optim {

StepLR::StepLR(Optimizer& optimizer, unsigned step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  check(step_size > 0, "step_lr: step_size 0: need a number >= 1");
}

std::vector<double> StepLR::get_lrs() {
  std::vector<double> lrs = get_current_lrs();
  if (step_count_ > 0 && step_count_ % step_size_ == 0) {
    for (double& lr : lrs) {
      lr *= gamma_;
    }
  }
  return lrs;
}

}  // namespace backflow::optim
