#pragma once

#include <memory>
#include <vector>

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// Several schedules one after the other, as PyTorch's SequentialLR: number i from milestone i - 1 on, where it starts
/// with its step 0.
class SequentialLR final : public ClosedFormLR {
 public:
  using Schedulers = std::vector<std::shared_ptr<const ClosedFormLR>>;
  /// All of the same optimizer. Throws Error unless milestones rise and are one fewer than schedules.
  SequentialLR(Optimizer& optimizer, Schedulers schedulers, std::vector<std::int64_t> milestones);

  double lr_at(std::size_t group, std::int64_t t) const override;
  std::optional<double> momentum_at(std::size_t group, std::int64_t t) const override;

 private:
  struct Place {
    const ClosedFormLR& scheduler;
    std::int64_t step;
  };
  Place place_of(std::int64_t t) const;

  const Schedulers schedulers_;
  const std::vector<std::int64_t> milestones_;
};

}  // namespace backflow::optim
