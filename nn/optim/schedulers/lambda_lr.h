#pragma once

#include <functional>
#include <vector>

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// Multiplies the base learning rate by a function of the step, as PyTorch's LambdaLR:
///
///   lr(t) = base f(t)
class LambdaLR final : public ClosedFormLR {
 public:
  using Lambda = std::function<double(std::int64_t)>;
  /// One function for all groups, or one for each. Throws Error for another number of them, and for an empty one.
  LambdaLR(Optimizer& optimizer, std::vector<Lambda> lambdas);
  LambdaLR(Optimizer& optimizer, Lambda lambda);

  double lr_at(std::size_t group, std::int64_t t) const override;

 private:
  std::vector<Lambda> lambdas_;
};

}  // namespace backflow::optim
