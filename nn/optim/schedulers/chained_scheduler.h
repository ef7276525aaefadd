#pragma once

#include <memory>
#include <vector>

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// Several schedules at once, as PyTorch's ChainedScheduler: the factors of all, multiplied. For schedules that scale
/// the learning rate, as all here do but OneCycleLR, CyclicLR and those with an eta_min above 0.
class ChainedScheduler final : public ClosedFormLR {
 public:
  using Schedulers = std::vector<std::shared_ptr<const ClosedFormLR>>;
  /// All of the same optimizer.
  ChainedScheduler(Optimizer& optimizer, Schedulers schedulers);

  double lr_at(std::size_t group, std::int64_t t) const override;

 private:
  const Schedulers schedulers_;
};

}  // namespace backflow::optim
