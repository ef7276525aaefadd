#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <backflow/nn/optim/schedulers/lr_scheduler.h>

namespace backflow::optim {

/// The base of schedules whose learning rate is a formula of the number of steps, as those of PyTorch's Python. Unlike
/// libtorch's StepLR they count as Python does: the constructor sets the learning rate of step 0, and the t-th call of
/// step() that of step t. Values are those of PyTorch but for the last bits, since PyTorch multiplies step by step.
///
/// Base learning rates are those that the groups had before the first scheduler of the optimizer, as PyTorch's
/// "initial_lr".
class ClosedFormLR : public LRScheduler {
 public:
  /// The learning rate of a group at step t, 0 or more.
  virtual double lr_at(std::size_t group, std::int64_t t) const = 0;
  /// The momentum of a group at step t, where the schedule changes it.
  virtual std::optional<double> momentum_at(std::size_t group, std::int64_t t) const;

  /// Goes to step t, as after t calls of step(): sets learning rates, and momentum where there is one.
  void go_to(std::int64_t t);
  /// The step at which the schedule is, as PyTorch's.
  std::int64_t last_epoch() const { return step_count_; }

 protected:
  explicit ClosedFormLR(Optimizer& optimizer);
  double base_lr(std::size_t group) const { return base_lrs_.at(group); }
  std::size_t groups() const { return base_lrs_.size(); }
  std::vector<double> get_lrs() final;
  std::vector<double>* base_lrs() final { return &base_lrs_; }

 private:
  std::vector<double> set_momentum_and_get_lrs(std::int64_t t);

  std::vector<double> base_lrs_;
};

/// The momentum of an optimizer's options: of SGD and RMSprop, and beta1 of Adam and AdamW. Nothing for others.
std::optional<double> momentum_of(const OptimizerOptions& options);
/// Sets it. Throws Error for options that have none.
void set_momentum(OptimizerOptions& options, double momentum);

}  // namespace backflow::optim
