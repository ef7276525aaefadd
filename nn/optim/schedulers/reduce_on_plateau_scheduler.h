#pragma once

#include <cstddef>
#include <vector>

#include <backflow/nn/optim/optimizer.h>

namespace backflow::optim {

/// Multiplies learning rates by `factor` when a metric has not improved for more than `patience` steps, as PyTorch's
/// ReduceLROnPlateau. Class and arguments are those of libtorch 2.
///
/// A metric improves on the best so far, b, when it is below b (1 - threshold); with `abs` below b - threshold. With
/// `max` it must be above b (1 + threshold) or b + threshold. After a change, `cooldown` steps are not counted as bad.
/// Learning rates stay at or above `min_lr`, one number for all groups or one for each. Changes of less than `eps` are
/// not made. The optimizer must outlive the scheduler.
class ReduceLROnPlateauScheduler {
 public:
  enum SchedulerMode { min, max };  // NOLINT(readability-identifier-naming): libtorch's names
  enum ThresholdMode { rel, abs };  // NOLINT(readability-identifier-naming)

  /// Throws Error for a factor outside [0, 1), for negative numbers, and unless `min_lr` has no number, one, or one for
  /// each group.
  explicit ReduceLROnPlateauScheduler(Optimizer& optimizer, SchedulerMode mode = min, double factor = 0.1,
                                      int patience = 10, double threshold = 1e-4, ThresholdMode threshold_mode = rel,
                                      int cooldown = 0, const std::vector<float>& min_lr = {}, double eps = 1e-8);
  virtual ~ReduceLROnPlateauScheduler() = default;
  ReduceLROnPlateauScheduler(const ReduceLROnPlateauScheduler&) = delete;
  ReduceLROnPlateauScheduler& operator=(const ReduceLROnPlateauScheduler&) = delete;

  void step(double metric);

  /// What it remembers from step to step, for a checkpoint.
  struct State {
    double best;        ///< the best metric so far
    int bad_steps;      ///< since the last improvement or change
    int cooldown_left;  ///< steps that are not counted as bad
  };
  State state() const { return {best_, bad_steps_, cooldown_left_}; }
  void load_state(const State& state);

  /// The state under PyTorch's names: "best", "num_bad_epochs", "cooldown_counter". See LRScheduler::state_dict().
  OrderedDict<std::string, Tensor> state_dict() const;
  LoadReport load_state_dict(const OrderedDict<std::string, Tensor>& dict, bool strict = true);
  void save(serialize::OutputArchive& archive) const;
  void load(serialize::InputArchive& archive);

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
