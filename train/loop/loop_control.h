#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/train/experiment.h>
#include <backflow/train/loop/ema.h>
#include <backflow/train/loop/metric_watch.h>
#include <backflow/train/loop/schedule.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// What happens between the steps of a run: learning rates, the average of the weights, early stopping, and which
/// evaluation was the best. All that it remembers goes into dumps.
class LoopControl {
 public:
  /// Keeps references to the module's tensors and to the optimizers. Throws io::ConfigError for a
  /// schedule that does not fit into the run.
  LoopControl(const Experiment& experiment, const Task& task, const nn::Module& module,
              const std::vector<optim::Optimizer*>& optimizers, const RunLength& run);

  /// Notes io::ConfigError, at its key, for each metric that the task does not have, and for those when there is
  /// nothing to evaluate on.
  static void check_metrics(const Experiment& experiment, const Task& task, bool can_evaluate, Mistakes& mistakes);

  /// Before the step that follows on `done` steps.
  void before_step(std::int64_t done);
  /// After the step that made it `done` steps.
  void after_step(std::int64_t done);
  /// The learning rate of the step: of the parameters that are in no group.
  double lr() const { return schedules_.front()->lr(); }

  /// Takes in an evaluation after so many steps. Returns whether it is the best so far, by checkpoint.best.
  bool after_evaluation(const Evaluation& evaluation, std::int64_t step);
  /// Whether the metric of early_stopping has not improved for too long.
  bool is_hopeless() const;
  /// "no better loss than 0.25, of step 400, in 5 evaluations".
  std::string why_hopeless() const;
  /// The step of the last evaluation; -1 before the first.
  std::int64_t evaluated_step() const { return evaluated_step_; }
  /// Of checkpoint.best; null without it.
  const MetricWatch* best() const { return best_ ? &*best_ : nullptr; }

  /// The next evaluation is the best again, as when nobody has the model of the best one any more.
  void forget_best();

  Ema& ema() { return ema_; }

  void save(io::Dump& dump) const;
  void load(const io::Dump& dump);

 private:
  std::vector<std::unique_ptr<LrSchedule>> schedules_;  ///< one for each optimizer
  Ema ema_;
  std::int64_t patience_;
  std::optional<MetricWatch> early_;
  std::optional<MetricWatch> best_;
  std::int64_t evaluated_step_ = -1;
};

}  // namespace backflow::train
