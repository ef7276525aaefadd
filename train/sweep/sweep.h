#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <backflow/train/sweep/summary.h>
#include <backflow/train/sweep/sweep_options.h>

namespace backflow::train {

/// What the command line says of a sweep besides SweepOptions.
struct SweepCommand {
  std::string config;
  std::string out;           ///< directory of the sweep; empty for sweeps/<name>/<date-time>
  std::int64_t jobs = 1;     ///< runs at once
  std::int64_t threads = 0;  ///< that they share; 0 for all cores
  bool resume = false;       ///< go on with the sweep that `out` holds, if it holds one
  bool trace = false;        ///< each run writes the time line of one step, which reports show
  bool dry_run = false;      ///< say what would run
};

/// How a sweep has ended.
struct SweepEnd {
  SweepResults results;
  std::string directory;  ///< empty for a dry run
  bool stopped = false;   ///< by a signal
};

/// Makes the runs of a configuration and starts `backflow train` for each, DIRECTORY/runs/NAME. All configurations are
/// read first: a mistake in one is an io::ConfigError before anything starts. A run that fails does not end the sweep.
/// Runs that are finished are not run again; others go on from their last dump. Writes configs/, logs/, summary.txt and
/// summary.csv. `say` gets lines for the user. To be called on a thread that lives until all children have ended.
SweepEnd run_sweep(const SweepCommand& command, const SweepOptions& options,
                   const std::function<void(const std::string&)>& say);

}  // namespace backflow::train
