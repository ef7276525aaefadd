#pragma once

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// The arguments of PyTorch's CyclicLR, with its defaults.
struct CyclicLROptions {
  /// Triangular: every cycle alike. Triangular2: each half as high as the one before. ExpRange: times gamma^t.
  enum class Mode { Triangular, Triangular2, ExpRange };

  std::int64_t step_size_up = 2000;
  std::int64_t step_size_down = 0;  ///< 0: as many as up
  Mode mode = Mode::Triangular;
  double gamma = 1;
  bool cycle_momentum = true;
  double base_momentum = 0.8;  ///< at the upper bound
  double max_momentum = 0.9;   ///< at the lower bound
};

/// Moves the learning rate up and down between two bounds, as PyTorch's CyclicLR.
///
/// Smith: "Cyclical learning rates for training neural networks", WACV 2017.
class CyclicLR final : public ClosedFormLR {
 public:
  /// Bounds for all groups. Throws Error for a way up or down of fewer than one step, and with cycle_momentum for an
  /// optimizer without momentum.
  CyclicLR(Optimizer& optimizer, double base_lr, double max_lr, CyclicLROptions options = {});

  double lr_at(std::size_t group, std::int64_t t) const override;
  std::optional<double> momentum_at(std::size_t group, std::int64_t t) const override;

 private:
  /// 0 at the lower bound, 1 at the upper one, scaled by the mode.
  double height_at(std::int64_t t) const;

  const double low_;
  const double high_;
  CyclicLROptions options_;
};

}  // namespace backflow::optim
