#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/io/config.h>

namespace backflow::train {

/// Which values of a metric are better.
enum class Goal { Auto, Lowest, Highest };

/// What a sweep varies, and how it judges. `[sweep]` of a configuration has most of it, and the command line all.
struct SweepOptions {
  std::vector<std::string> set;  ///< axes as read_axis() takes them
  std::int64_t random = 0;       ///< runs that are drawn; 0 for all combinations
  std::int64_t seed = 0;         ///< of the draw
  std::string metric;            ///< empty for accuracy if the runs have it, else the loss
  Goal goal = Goal::Auto;
  bool halving = false;
  std::int64_t eta = 3;         ///< of eta runs the best goes on
  std::int64_t min_epochs = 1;  ///< before a run is judged
  std::int64_t ranks = 1;       ///< of each run
};

/// Reads [sweep]. Throws io::ConfigError.
SweepOptions read_sweep(const io::Section& s);

/// Auto by the metric's name: losses and errors are better low, all else high.
bool lower_is_better(const SweepOptions& options, const std::string& metric);

}  // namespace backflow::train
