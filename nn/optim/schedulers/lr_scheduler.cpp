#include <backflow/nn/optim/schedulers/lr_scheduler.h>

namespace backflow::optim {

void LRScheduler::step() {
  set_lrs(get_lrs());
  ++step_count_;
}

void LRScheduler::set_lrs(const std::vector<double>& lrs) {
  std::vector<OptimizerParamGroup>& groups = optimizer_.param_groups();
  check(lrs.size() == groups.size(), "lr_scheduler: ", lrs.size(), " learning rates for ", groups.size(),
        " groups: need one for each");
  for (std::size_t i = 0; i < lrs.size(); ++i) {
    groups[i].options().set_lr(lrs[i]);
  }
}

std::vector<double> LRScheduler::get_current_lrs() const {
  std::vector<double> lrs;
  lrs.reserve(optimizer_.param_groups().size());
  for (const OptimizerParamGroup& group : optimizer_.param_groups()) {
    lrs.push_back(group.options().get_lr());
  }
  return lrs;
}

}  // namespace backflow::optim
