#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/nn/optim/schedulers/closed_form_lr.h>
#include <backflow/nn/optim/schedulers/reduce_on_plateau_scheduler.h>
#include <backflow/train/loop/loop_state.h>
#include <backflow/train/loop/schedule_options.h>
#include <backflow/train/task/metrics.h>

namespace backflow::train {

/// How long a run is.
struct RunLength {
  std::int64_t steps_per_epoch = 1;
  std::int64_t total_steps = 1;
};

/// The learning rates of an optimizer over a run. They are a formula of the step, but for a plateau's, whose state goes
/// into the dump.
class LrSchedule {
 public:
  /// Keeps a reference to the optimizer, whose learning rates are the base. `better`: of the plateau's metric. Throws
  /// io::ConfigError for lengths that do not fit into the run.
  LrSchedule(const ScheduleOptions& options, optim::Optimizer& optimizer, const RunLength& run,
             Better better = Better::Lower);

  /// Throws io::ConfigError for lengths that do not fit into a run.
  static void check_lengths(const ScheduleOptions& options, const RunLength& run);

  /// Sets the learning rates for the step after `done` steps.
  void before_step(std::int64_t done);
  /// For a plateau: the metric of an evaluation. Nothing for others.
  void after_evaluation(const Evaluation& evaluation);
  /// Of the optimizer's first group, as before_step() has set it.
  double lr() const;

  void save(LoopState& state, const std::string& prefix) const;
  /// Starts anew where the dump has no such state.
  void load(const LoopState& state, const std::string& prefix);

 private:
  void set_plateau_lrs();

  optim::Optimizer& optimizer_;
  std::string metric_;                                          ///< of the plateau
  std::int64_t end_ = 0;                                        ///< step from which on the learning rate stays
  std::unique_ptr<optim::ClosedFormLR> curve_;                  ///< for a plateau the warm-up
  std::unique_ptr<optim::ReduceLROnPlateauScheduler> plateau_;  ///< null for others
  std::vector<double> plateau_lrs_;                             ///< by group, before the warm-up's factor
};

}  // namespace backflow::train
