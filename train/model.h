#pragma once

#include <functional>
#include <memory>

#include <backflow/nn/module.h>
#include <backflow/train/experiment.h>

namespace backflow::train {

/// A network as a configuration describes it.
struct Model {
  std::shared_ptr<nn::Module> module;
  std::function<Tensor(const Tensor&)> forward;  ///< [n, ...] samples to [n, classes] scores
};

/// Builds the network for samples of this shape. Its parameters are initialised from the generator's present state.
/// Throws io::ConfigError for a layer whose input does not fit, or a last layer that does not give one score for each
/// of the classes; before anything is computed.
Model build_model(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes, ScalarType dtype);

}  // namespace backflow::train
