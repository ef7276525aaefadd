#pragma once

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// Changes the learning rate linearly from one multiple of the base to another, as PyTorch's LinearLR:
///
///   lr(t) = base (start_factor + (end_factor - start_factor) min(t, total_iters) / total_iters)
class LinearLR final : public ClosedFormLR {
 public:
  /// Throws Error for a start_factor outside (0, 1], an end_factor outside [0, 1], and fewer than one step.
  explicit LinearLR(Optimizer& optimizer, double start_factor = 1.0 / 3, double end_factor = 1,
                    std::int64_t total_iters = 5);

  double lr_at(std::size_t group, std::int64_t t) const override;

 private:
  const double start_factor_;
  const double end_factor_;
  const std::int64_t total_iters_;
};

}  // namespace backflow::optim
