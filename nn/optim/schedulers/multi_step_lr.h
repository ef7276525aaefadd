#pragma once

#include <vector>

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// Multiplies the learning rate by `gamma` at each milestone, as PyTorch's MultiStepLR:
///
///   lr(t) = base gamma^(number of milestones <= t)
class MultiStepLR final : public ClosedFormLR {
 public:
  /// Throws Error for a negative milestone.
  MultiStepLR(Optimizer& optimizer, std::vector<std::int64_t> milestones, double gamma = 0.1);

  double lr_at(std::size_t group, std::int64_t t) const override;

 private:
  std::vector<std::int64_t> milestones_;
  const double gamma_;
};

}  // namespace backflow::optim
