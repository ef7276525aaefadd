#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <backflow/nn/module.h>
#include <backflow/train/experiment.h>

namespace backflow::train {

/// A network as a configuration describes it.
struct Model {
  std::shared_ptr<nn::Module> module;
  std::function<Tensor(const Tensor&)> forward;  ///< [n, ...] samples to [n, classes] scores
  std::int64_t classes = 0;
};

/// Builds the network for samples of this shape; with 0 classes, which an mlp can't have, for as many as the last layer
/// gives. Its parameters are initialised from the generator's present state. Throws io::ConfigError for a layer whose
/// input does not fit, for a last layer that does not give one score for each of the classes, and for a layer whose
/// parameters do not fit into memory (ParameterBudget, each of `copies` numbers), before it is allocated.
Model build_model(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes, ScalarType dtype,
                  std::int64_t copies = 2);

}  // namespace backflow::train
