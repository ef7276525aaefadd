#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/nn/optim/schedulers/closed_form_lr.h>

namespace backflow::train {

/// A part of a schedule: a curve of the learning rate over so many steps.
struct SchedulePhase {
  std::string name;
  double length = 0;  ///< in the schedule's unit; 0: what is left of the run
  /// The curve over so many steps, `unit_steps` of which make one unit.
  std::function<std::unique_ptr<optim::ClosedFormLR>(optim::Optimizer&, std::int64_t steps, double unit_steps)> make;
  io::Section section;  ///< for messages
};

/// Of name = "plateau".
struct PlateauOptions {
  std::string metric = "loss";
  double factor = 0.1;
  std::int64_t patience = 10;
  double threshold = 1e-4;
  bool relative = true;
  std::int64_t cooldown = 0;
  double min_lr = 0;
};

/// [schedule]: the learning rate over a run, as a multiple of the optimizer's.
struct ScheduleOptions {
  std::string name;         ///< "constant", "cosine", ..., "plateau", "chain"
  bool by_epoch = true;     ///< lengths are in epochs, else in steps
  double warmup = 0;        ///< length of a linear rise before all else
  double warmup_start = 0;  ///< the factor that it starts with
  std::vector<SchedulePhase> phases;
  PlateauOptions plateau;  ///< used if name is "plateau"
  io::Section section;     ///< for messages
};

/// Throws io::ConfigError for a schedule that does not exist, and for wrong options.
ScheduleOptions read_schedule(const io::Section& s);

}  // namespace backflow::train
