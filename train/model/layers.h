#pragma once

#include <functional>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/nn/modules/container.h>
#include <backflow/train/model/parameter_budget.h>

namespace backflow::train {

/// The most layers of a model, or of a branch.
inline constexpr std::size_t kMaxLayers = 10'000;

/// [[model.layers]]: one layer of a model that is written out.
struct LayerOptions {
  /// Makes the layer for inputs of this shape, batch dimension included, if the budget has room for its parameters.
  using Make = std::function<nn::AnyModule(const DimVector& input, ParameterBudget& budget)>;

  std::string type;
  Make make;
  io::Section section;  ///< for messages
};

/// The array `layers` of a section. Throws io::ConfigError for a type that does not exist, for wrong keys, and for more
/// than kMaxLayers.
std::vector<LayerOptions> read_layers(const io::Section& s);

/// These layers one after the other, for inputs of shape `shape`, batch dimension included, which becomes that of the
/// results. Parameters are initialised from the generator's present state. Throws io::ConfigError for a layer that does
/// not take its input, or whose parameters the budget has no room for: with its place, its path as "model.layers.2",
/// its type and the shape.
nn::Sequential make_layers(const std::vector<LayerOptions>& layers, DimVector& shape, ParameterBudget& budget);

}  // namespace backflow::train
