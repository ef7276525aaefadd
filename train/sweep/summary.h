#pragma once

#include <string>
#include <vector>

#include <backflow/train/sweep/outcome.h>
#include <backflow/train/sweep/plan.h>

namespace backflow::train {

/// What a sweep has found.
struct SweepResults {
  std::vector<Axis> axes;
  std::vector<PlannedRun> runs;
  std::vector<RunOutcome> outcomes;  ///< of the runs, in their order
  std::string metric;
  bool lower_is_better = false;

  /// The value of a run by which it is compared; NaN if it has none.
  double value(std::size_t run) const { return last_value(outcomes[run].record, metric); }
  /// Numbers of the runs: the finished ones by their value, the best first; then those that were dropped, then others.
  std::vector<std::size_t> order() const;
};

/// A table of the runs, the best first, for a terminal; below it, where `seed` was varied, mean and standard deviation
/// over the seeds.
std::string summary_table(const SweepResults& results);

/// The same as CSV with all that the runs have measured: run, status, the keys, steps, epochs, seconds, metrics of each
/// split, error, directory. Fields are quoted as RFC 4180 says. `directory` is that of the sweep.
std::string summary_csv(const SweepResults& results, const std::string& directory);

}  // namespace backflow::train
