#pragma once

#include <vector>

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::optim {

/// The arguments of PyTorch's OneCycleLR, with its defaults.
struct OneCycleLROptions {
  double pct_start = 0.3;  ///< part of the steps in which the learning rate rises
  bool linear = false;     ///< straight lines instead of half cosines
  bool cycle_momentum = true;
  double base_momentum = 0.85;  ///< at the peak
  double max_momentum = 0.95;   ///< at both ends
  double div_factor = 25;
  double final_div_factor = 1e4;
  bool three_phase = false;  ///< falls as long as it rose, then to the end
};

/// Raises the learning rate to a peak and lowers it far below where it began, as PyTorch's OneCycleLR. Momentum goes
/// the other way. The learning rate starts at max_lr / div_factor, and ends at that divided by final_div_factor.
///
/// Smith and Topin: "Super-convergence: Very fast training of neural networks using large learning rates", 2018.
class OneCycleLR final : public ClosedFormLR {
 public:
  /// Peaks: one for all groups, or one for each. Throws Error for another number of them, for total_steps below 1, a
  /// pct_start outside [0, 1], and with cycle_momentum for an optimizer without momentum.
  OneCycleLR(Optimizer& optimizer, std::vector<double> max_lrs, std::int64_t total_steps,
             OneCycleLROptions options = {});

  double lr_at(std::size_t group, std::int64_t t) const override;
  std::optional<double> momentum_at(std::size_t group, std::int64_t t) const override;

 private:
  /// In which phase a step lies, and which part of it is over.
  struct Place {
    std::size_t phase;
    double part;
  };
  Place place_of(std::int64_t t) const;
  double between(double a, double b, double part) const;

  const std::vector<double> max_lrs_;
  const OneCycleLROptions options_;
  std::vector<double> ends_;  ///< of the phases, in steps
};

}  // namespace backflow::optim
