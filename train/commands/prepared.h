#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/io/dump.h>
#include <backflow/train/data/batch_maker.h>
#include <backflow/train/experiment.h>
#include <backflow/train/model/model.h>
#include <backflow/train/run/agreement.h>
#include <backflow/train/run/platform.h>
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

  /// The test data, or where there are none the validation data; null where there are neither.
  const BatchMaker* judge() const;
};

/// Reads and checks a configuration, its data and its model. With the dump, if it is one that is to be evaluated.
/// Throws io::ConfigError for a wrong configuration, Error for damaged data.
Prepared prepare(const io::Config& config, const io::Dump* dump = nullptr);

/// Sets up the platform, and says on standard error what is wrong with it, after the notes. Collective.
Platform start_platform(distributed::Communicator& world, const RankRequest& place,
                        const std::vector<std::string>& notes);

/// What decides what a run computes: its configuration, and what its data are.
Facts facts_of(const Prepared& p);

/// Throws unless all ranks run the same command, with the same options, on the same data, with libraries that compute
/// the same bits. `run` is facts_of(). Collective.
void check_agreement(distributed::Communicator& world, const std::string& command, const Facts& options,
                     const Facts& run, const Facts& platform = {});

}  // namespace backflow::train
