#include <backflow/nn/optim/schedulers/multi_step_lr.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace backflow::optim {

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<std::int64_t> milestones, double gamma)
    : ClosedFormLR(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {
  for (const std::int64_t milestone : milestones_) {
    check(milestone >= 0, "multi_step_lr: milestone ", milestone, ": need numbers >= 0");
  }
  std::sort(milestones_.begin(), milestones_.end());
  go_to(0);
}

double MultiStepLR::lr_at(std::size_t group, std::int64_t t) const {
  const auto passed = std::upper_bound(milestones_.begin(), milestones_.end(), t) - milestones_.begin();
  return base_lr(group) * std::pow(gamma_, static_cast<double>(passed));
}

}  // namespace backflow::optim
