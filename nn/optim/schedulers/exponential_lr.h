#pragma once

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// Multiplies the learning rate by `gamma` in every step, as PyTorch's ExponentialLR:
///
///   lr(t) = base gamma^t
class ExponentialLR final : public ClosedFormLR {
 public:
  ExponentialLR(Optimizer& optimizer, double gamma);

  double lr_at(std::size_t group, std::int64_t t) const override;

 private:
  const double gamma_;
};

}  // namespace backflow::optim
