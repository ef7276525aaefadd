#pragma once

#include <memory>
#include <string>

#include <backflow/io/dump.h>
#include <backflow/train/data/batch_maker.h>
#include <backflow/train/experiment.h>
#include <backflow/train/model/model.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// What `backflow predict` needs: samples, whose targets are not asked for, and the model and task of a dump.
struct PredictionSetup {
  BatchMaker data;
  std::shared_ptr<const Task> task;
  Model model;
};

/// `data` is a file, or for pictures a folder, of the format of the experiment; empty for its test data. `experiment`
/// is that of the dump's configuration. Samples are normalized by its numbers. The order of the input is kept.
///
/// Throws io::ConfigError for data that are not there, or of another shape than the model's, and for a configuration
/// that does not tell what the outputs are; Error for damaged data.
PredictionSetup set_up_prediction(const Experiment& experiment, const io::Dump& dump, const std::string& data);

}  // namespace backflow::train
