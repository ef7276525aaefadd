#pragma once

#include <vector>

#include <backflow/nn/optim/optimizer.h>

namespace backflow::optim {

/// The base class of learning-rate schedules, as libtorch's. `step()` sets the learning rate of every group and counts.
/// Call it after the optimizer's step, once an epoch or once a step. The optimizer must outlive the scheduler.
class LRScheduler {
 public:
  explicit LRScheduler(Optimizer& optimizer) : optimizer_(optimizer) {}
  virtual ~LRScheduler() = default;
  LRScheduler(const LRScheduler&) = delete;
  LRScheduler& operator=(const LRScheduler&) = delete;

  void step();

 protected:
  /// The learning rates that this step sets, one for each group.
  virtual std::vector<double> get_lrs() = 0;
  /// The present learning rates of the groups.
  std::vector<double> get_current_lrs() const;
  /// Sets them. Throws Error unless there is one for each group.
  void set_lrs(const std::vector<double>& lrs);
  Optimizer& optimizer() { return optimizer_; }

  unsigned step_count_ = 0;  ///< steps so far

 private:
  Optimizer& optimizer_;
};

}  // namespace backflow::optim
