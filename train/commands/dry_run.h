#pragma once

#include <functional>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/train/run/agreement.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/platform.h>
#include <backflow/train/run/run_start.h>

namespace backflow::train {

/// `backflow train --dry-run`: what the command line says besides that.
struct DryRun {
  std::function<io::Config()> load;  ///< reads the configuration
  StartOptions start;
  std::vector<std::string> allowed;  ///< --allow-change
  RankRequest place;
  Facts options;  ///< that all ranks need alike
};

/// Prints what the run would be: model, memory, steps, ranks. Nothing is computed or written. Of the data, shapes and
/// targets are read, and cells of CSV files and pictures are checked; samples are not kept. Throws SharedFailure with
/// all mistakes at once, of configuration, data, model, dump and run directory. Returns the exit code. Collective.
int dry_run(const World& world, const DryRun& what);

}  // namespace backflow::train
