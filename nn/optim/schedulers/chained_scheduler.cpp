#include <backflow/nn/optim/schedulers/chained_scheduler.h>

#include <utility>

namespace backflow::optim {

ChainedScheduler::ChainedScheduler(Optimizer& optimizer, Schedulers schedulers)
    : ClosedFormLR(optimizer), schedulers_(std::move(schedulers)) {
  go_to(0);
}

double ChainedScheduler::lr_at(std::size_t group, std::int64_t t) const {
  const double base = base_lr(group);
  double lr = base;
  for (const auto& scheduler : schedulers_) {
    lr *= base != 0 ? scheduler->lr_at(group, t) / base : 0;
  }
  return lr;
}

}  // namespace backflow::optim
