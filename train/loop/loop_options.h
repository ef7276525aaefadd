#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <backflow/io/config.h>

namespace backflow::train {

/// [evaluation]: when the model is evaluated on the validation data, or on the test data where there are none.
struct EvaluationOptions {
  std::int64_t every_epochs = 1;  ///< 0: not at the ends of epochs
  std::int64_t every_steps = 0;   ///< 0: not within epochs
};

/// [early_stopping]: ends a run whose metric has stopped to improve.
struct EarlyStoppingOptions {
  std::string metric = "loss";
  std::int64_t patience = 0;  ///< evaluations without an improvement after which the run ends; 0: never
  double min_delta = 0;       ///< an improvement is more than this
  io::Section section;        ///< for messages
};

/// [ema]: a moving average of the weights, which evaluations and dumps take in their place.
struct EmaOptions {
  double decay = 0;     ///< 0: none
  bool warmup = false;  ///< at step t at most (1 + t) / (10 + t)
};

/// [init]: parameters that training starts from.
struct InitOptions {
  std::string file;                  ///< empty: the model's own
  std::vector<std::string> exclude;  ///< patterns of names that are left out
  bool strict = false;               ///< refuse a file that does not fit in all
  io::Section section;               ///< for messages
};

EvaluationOptions read_evaluation(const io::Section& s);
EarlyStoppingOptions read_early_stopping(const io::Section& s);
EmaOptions read_ema(const io::Section& s);
InitOptions read_init(const io::Section& s);
// All throw io::ConfigError for wrong values.

}  // namespace backflow::train
