#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/io/config.h>

namespace backflow::train {

/// [task]: what the model is trained for. An empty name follows the data: classes make a classification, values a
/// regression, labels a multi-label classification, inputs an autoencoder, tokens a language model.
struct TaskOptions {
  std::string name;                 ///< "auto", "classification", "regression", "multi_label", "autoencoder", "gan"
  std::string loss;                 ///< "cross_entropy", "mse", "l1", "huber", "bce"
  double label_smoothing = 0;       ///< of cross_entropy, in [0, 1]
  double huber_delta = 1;           ///< where the huber loss turns from squares into absolute values
  std::vector<std::int64_t> top_k;  ///< "top5" is a metric for 5
  double threshold = 0.5;           ///< probability from which on a label counts as predicted
  io::Section section;              ///< for messages
};

/// Throws io::ConfigError for a task that does not exist, and for wrong options.
TaskOptions read_task(const io::Section& s);

}  // namespace backflow::train
