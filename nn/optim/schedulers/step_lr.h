#pragma once

#include <backflow/nn/optim/schedulers/lr_scheduler.h>

namespace backflow::optim {

/// Multiplies learning rates by `gamma` every `step_size` steps. As in libtorch, call number step_size + 1 of step()
/// makes the first change.
class StepLR : public LRScheduler {
 public:
  /// Throws Error for a step size of 0.
  StepLR(Optimizer& optimizer, unsigned step_size, double gamma = 0.1);

 protected:
  std::vector<double> get_lrs() override;

 private:
  const unsigned step_size_;
  const double gamma_;
};

}  // namespace backflow::optim
