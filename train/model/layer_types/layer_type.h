#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/train/model/layers.h>

namespace backflow::train {

/// What a type of layer computes with.
enum class Takes {
  Numbers,  ///< floating-point numbers, and gives such
  Tokens,   ///< int64 numbers below a vocabulary, and gives floating-point numbers
  Any,      ///< both, and gives what it takes unless it says otherwise
};

/// A type of layer: `read` reads its keys, besides `type`, and returns what makes it.
struct LayerType {
  const char* name;
  const char* sentence;
  LayerOptions::Make (*read)(const LayerKeys& keys);
  Takes takes = Takes::Numbers;
};

using LayerTypes = std::vector<LayerType>;

// The types, a family each. all_layer_types() has them all, and is the list that everything else is made from.
LayerTypes linear_types();
LayerTypes convolution_types();
LayerTypes pooling_types();
LayerTypes normalization_types();
LayerTypes activation_types();
LayerTypes dropout_types();
LayerTypes embedding_types();
LayerTypes padding_types();
LayerTypes shape_types();
LayerTypes composition_types();

const LayerTypes& all_layer_types();

/// A layer without keys.
template <class Module>
LayerOptions::Make plain_layer(const LayerKeys&) {
  return [](LayerInput&, ParameterBudget&) { return Module(); };
}

/// Takes the parameters of a layer from the budget. Throws ConfigError at `key` when there is no room for them.
void take_parameters(const LayerKeys& keys, std::string_view key, double count, ParameterBudget& budget);
/// The channels of inputs [batch, channels, ...] with `spatial` dimensions behind them. Throws ConfigError for others.
std::int64_t channels_of(const LayerKeys& keys, const LayerInput& input, std::size_t spatial);
/// Throws ConfigError unless the inputs have `least` to `most` dimensions; `need` says which, as "[batch, features]".
void check_dims(const LayerKeys& keys, const LayerInput& input, std::size_t least, std::size_t most, const char* need);
/// Throws ConfigError, at `key`, for a dimension that the inputs don't have.
void check_dim(const LayerKeys& keys, std::string_view key, std::int64_t dim, const LayerInput& input);

}  // namespace backflow::train
