#pragma once

#include <cstddef>
#include <vector>

#include <backflow/nn/optim/optimizer.h>

namespace backflow::optim {

/// Multiplies learning rates with `factor` when a metric has not become better for more than `patience` steps, as
/// PyTorch's ReduceLROnPlateau; the class, its arguments and their order are those of libtorch 2.
///
/// A metric is better than the best so far, b, when it is below b (1 - threshold), with `abs` below b - threshold; with
/// `max` above b (1 + threshold) or b + threshold. After a change, `cooldown` steps are not counted as bad. Learning
/// rates stay at or above `min_lr`, one number for all groups or one for each, and changes of less than `eps` are not
/// made. The optimizer must live as long.
class ReduceLROnPlateauScheduler {
 public:
  enum SchedulerMode { min, max };  // NOLINT(readability-identifier-naming): libtorch's names
  enum ThresholdMode { rel, abs };  // NOLINT(readability-identifier-naming)

  /// Throws Error for a factor outside [0, 1), negative numbers, and as many lower bounds as are neither none, one nor
  /// one for each group.
  explicit ReduceLROnPlateauScheduler(Optimizer& optimizer, SchedulerMode mode = min, float factor = 0.1F,
                                      int patience = 10, double threshold = 1e-4, ThresholdMode threshold_mode = rel,
                                      int cooldown = 0, const std::vector<float>& min_lr = {}, double eps = 1e-8);
  virtual ~ReduceLROnPlateauScheduler() = default;
  ReduceLROnPlateauScheduler(const ReduceLROnPlateauScheduler&) = delete;
  ReduceLROnPlateauScheduler& operator=(const ReduceLROnPlateauScheduler&) = delete;

  void step(float metric);

 private:
  bool is_better(double metric) const;
  void reduce();
  double min_lr(std::size_t group) const;

  Optimizer& optimizer_;
  const SchedulerMode mode_;
  const double factor_;
  const int patience_;
  const double threshold_;
  const ThresholdMode threshold_mode_;
  const int cooldown_;
  const std::vector<float> min_lrs_;
  const double eps_;
  double best_;
  int bad_steps_ = 0;
  int cooldown_left_ = 0;
};

}  // namespace backflow::optim
