#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <backflow/distributed/communicator.h>
#include <backflow/io/dump.h>
#include <backflow/io/metrics.h>
#include <backflow/io/run_directory.h>
#include <backflow/train/evaluation.h>
#include <backflow/train/experiment.h>
#include <backflow/train/loop/schedule.h>
#include <backflow/train/model/model.h>
#include <backflow/train/run/platform.h>
#include <backflow/train/run/run_start.h>
#include <backflow/train/run_data.h>
#include <backflow/train/task/task.h>
#include <backflow/train/views/progress.h>

namespace backflow::train {

/// How a run ended.
enum class Outcome { Done, Stopped };

/// What a run needs besides the experiment.
struct RunOptions {
  /// The run directory, and the dump to go on from, if any, whose parameters and buffers the model has already.
  RunStart start;
  std::string resolved_config;   ///< TOML text that goes into the run directory and the dumps
  std::string report = "";       ///< what is said first
  std::string train_data = "";   ///< what the training data are, for the dumps
  std::string test_data = "";    ///< likewise
  std::int64_t trace_steps = 0;  ///< steps that trace.json is to hold; 0 for no trace
  /// Ends the run, as a signal would, when so many epochs are over and it has more; 0: never.
  std::int64_t stop_after_epoch = 0;
  bool profile = false;  ///< print the table of operators at the end
  Progress::Verbosity verbosity = Progress::Verbosity::Normal;
};

/// The steps of a run on so many samples.
RunLength run_length(const TrainOptions& options, std::int64_t samples);

/// Trains a model: data-parallel gradient descent over all ranks of `world`, metrics, dumps, and evaluations as
/// experiment.evaluation says. Rank 0 writes the run directory:
///
///   config.toml  environment.json  metrics.jsonl  log.txt  checkpoints/step-*.h5  checkpoints/best.h5
///
/// and every rank its trace, when one is asked for: trace.json, trace-rank1.json and so on.
///
/// A run that goes on from a dump takes over optimizer state, the state of the loop (LoopControl), step and epoch, and
/// computes the same bits as one that was never interrupted. It appends to the files that it finds. Nothing is written
/// before all that can be checked has been; an error after that also goes to log.txt, with the number of the rank.
///
/// Collective: every rank calls it with the same arguments. A signal that asks to stop (see stop_signal.h) ends the run
/// after the present step, with a dump. Throws Error.
Outcome train(const Experiment& experiment, const Task& task, const Model& model, const RunData& data,
              const RunOptions& options, const Platform& platform,
              const std::shared_ptr<distributed::Communicator>& world);

}  // namespace backflow::train
