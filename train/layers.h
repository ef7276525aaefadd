#pragma once

#include <functional>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/nn/modules/container.h>

namespace backflow::train {

/// [[model.layers]]: one layer of a model that is written out.
struct LayerOptions {
  /// Makes the layer for inputs of this shape, batch dimension included.
  using Make = std::function<nn::AnyModule(const DimVector& input)>;

  std::string type;
  Make make;
  io::Section section;  ///< for messages
};

/// The array `layers` of a section. Throws io::ConfigError for a type that does not exist, and for wrong keys.
std::vector<LayerOptions> read_layers(const io::Section& s);

/// These layers one after the other, for inputs of shape `shape`, batch dimension included, which becomes that of the
/// results. Parameters are initialised from the generator's present state. Throws io::ConfigError for a layer that does
/// not take its input: with its place, its path as "model.layers.2", its type and the shape.
nn::Sequential make_layers(const std::vector<LayerOptions>& layers, DimVector& shape);

}  // namespace backflow::train
