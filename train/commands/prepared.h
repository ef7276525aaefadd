#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/io/dump.h>
#include <backflow/train/data/batch_maker.h>
#include <backflow/train/data/formats.h>
#include <backflow/train/experiment.h>
#include <backflow/train/model/model.h>
#include <backflow/train/run/agreement.h>
#include <backflow/train/run/mistakes.h>
#include <backflow/train/run/platform.h>
#include <backflow/train/run/run_start.h>
#include <backflow/train/run_data.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// What every command on an experiment makes of it: all that can be checked before anything is computed.
struct Prepared {
  Experiment experiment;
  io::Config config;
  io::Config settled;  ///< the same with what was found in the training data, as their means: for dumps
  std::optional<BatchMaker> train_data;
  std::optional<BatchMaker> validation_data;
  std::optional<BatchMaker> test_data;
  Model model;
  std::shared_ptr<const Task> task;

  /// Pointers to the data, which must be there for training.
  RunData run_data() const;
  /// The test data, or where there are none the validation data; null where there are neither.
  const BatchMaker* judge() const;
};

/// Reads and checks a configuration, its data and its model. With the dump, if it is one that is to be evaluated.
/// Throws all mistakes that it finds: io::ConfigError, or Error when there are damaged data alone.
Prepared prepare(const io::Config& config, const io::Dump* dump = nullptr);
/// The same for training, with the mistakes noted: what has one, or needs what has, is not made. Of the data their
/// shapes alone are read if `contents` says so, or once the configuration has a mistake.
Prepared prepare(const io::Config& config, Contents contents, Mistakes& mistakes);

/// Sets up the platform, and says on standard error what is wrong with it, after the notes. Collective.
Platform start_platform(distributed::Communicator& world, const RankRequest& place,
                        const std::vector<std::string>& notes);

/// What decides what a run computes: its configuration, and what its data are.
Facts facts_of(const Prepared& p);

/// What else has to be the same on all ranks where the bits have to be.
Facts platform_facts(const Experiment& experiment, const Platform& platform);

/// Takes the dump of a run, if it goes on from one, over into the model, after a look at what has changed since;
/// returns what the user should know of it. Throws io::ConfigError for changes that are not allowed.
std::vector<std::string> take_over(RunStart& start, const std::vector<std::string>& allowed, const Facts& facts,
                                   const Prepared& p);

/// Throws unless all ranks run the same command, with the same options, on the same data, with libraries that compute
/// the same bits. `run` is facts_of(). Collective.
void check_agreement(distributed::Communicator& world, const std::string& command, const Facts& options,
                     const Facts& run, const Facts& platform = {});

}  // namespace backflow::train
