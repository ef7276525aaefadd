#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/train/sweep/axis.h>

namespace backflow::train {

/// One run of a sweep.
struct PlannedRun {
  std::string name;                    ///< of its directory
  std::vector<std::string> values;     ///< of the axes of the sweep, in their order
  std::vector<std::string> overrides;  ///< "optimizer.lr=0.1", as `train --set` takes them
};

/// The runs of all combinations; the last axis changes fastest. Throws io::ConfigError for a key given twice, an axis
/// that has to be drawn, and more than 100,000 runs.
std::vector<PlannedRun> plan_grid(const std::vector<Axis>& axes);

/// `count` runs with values drawn from (seed, run, axis) alone, so a larger count adds runs and keeps those of before.
/// No two are the same; fewer come where there are no more combinations.
std::vector<PlannedRun> plan_random(const std::vector<Axis>& axes, std::int64_t count, std::uint64_t seed);

/// The axes that have more than one value.
std::vector<std::size_t> varying_axes(const std::vector<Axis>& axes);

}  // namespace backflow::train
