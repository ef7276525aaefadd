#pragma once

#include <functional>
#include <string>
#include <vector>

#include <backflow/nn/modules/container.h>
#include <backflow/train/model/layer_keys.h>
#include <backflow/train/model/parameter_budget.h>

namespace backflow::train {

/// The most layers of a model, those of repeated blocks included.
inline constexpr std::size_t kMaxLayers = 10'000;

/// What a layer is given.
struct LayerInput {
  DimVector shape;              ///< batch dimension included
  std::int64_t vocabulary = 0;  ///< above 0: int64 numbers below this; 0: floating-point numbers
};

/// A layer of a model that is written out.
struct LayerOptions {
  /// Makes the layer, if the budget has room for its parameters. A layer made of others changes the input's vocabulary
  /// to that of its result.
  using Make = std::function<nn::AnyModule(LayerInput& input, ParameterBudget& budget)>;

  Make make;
  LayerKeys keys;  ///< for messages
};

/// The array `key` of layers in a section, blocks expanded. Throws io::ConfigError for a type that does not exist, for
/// wrong keys, for blocks that are not there or use themselves, and for more than kMaxLayers.
std::vector<LayerOptions> read_layers(const io::Section& s, const io::Key& key, const LayerScope& scope);

/// These layers one after the other, for such inputs, which become what the last one gives. Parameters are initialised
/// from the generator's present state. Throws io::ConfigError for a layer that does not take its input, whose
/// parameters the budget has no room for, or whose result for one sample does not fit into memory: with its place, its
/// path as "model.layers.2", its type and the shape.
nn::Sequential make_layers(const std::vector<LayerOptions>& layers, LayerInput& input, ParameterBudget& budget);

/// The names of all types of layers, and one sentence for each.
std::vector<std::pair<std::string, std::string>> layer_types();

}  // namespace backflow::train
