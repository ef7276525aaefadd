#pragma once

#include <map>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/train/model/layers.h>
#include <backflow/train/model/model.h>

namespace backflow::test {

/// The model of a text that stands in [model], which is the first line.
inline train::ModelOptions model_options(const std::string& text) {
  const io::Config config = io::Config::parse("[model]\n" + text, "x.toml");
  train::ModelOptions options = train::read_model(config.section("model"));
  config.check();
  return options;
}

/// A request for whatever the model gives for samples of this shape; of tokens below `vocabulary`, unless that is 0.
inline train::ModelRequest any_of(IntArrayRef sample_shape, std::int64_t vocabulary = 0) {
  return {.sample_shape = sample_shape, .vocabulary = vocabulary, .output_shape = {}, .any_output = true};
}

/// A value for each key that a type of layer can't do without.
inline const std::map<std::string, std::string>& required_values() {
  static const std::map<std::string, std::string> kValues = {{"out_features", "4"},
                                                             {"out_channels", "4"},
                                                             {"kernel_size", "2"},
                                                             {"num_groups", "2"},
                                                             {"size", "2"},
                                                             {"embedding_dim", "3"},
                                                             {"padding", "1"},
                                                             {"value", "0.5"},
                                                             {"threshold", "0.1"},
                                                             {"sizes", "[2, -1]"},
                                                             {"upscale_factor", "2"},
                                                             {"downscale_factor", "2"},
                                                             {"branches", "[{}, {}]"},
                                                             {"layers", "[{type = 'tanh'}]"}};
  return kValues;
}

/// A layer of this type with values for the keys that it needs, "{type = 'linear', out_features = 4}".
inline std::string sample_layer(const std::string& type) {
  std::string layer = "{type = '" + type + "'";
  for (std::size_t tries = 0; tries < required_values().size(); ++tries) {
    std::string message;
    try {
      model_options("layers = [" + layer + "}]\n");
      break;
    } catch (const io::ConfigError& error) {
      message = error.what();
    }
    for (const auto& [key, value] : required_values()) {
      const bool needed = message.find("missing key '" + key + "'") != std::string::npos ||
                          message.find("at least one in '" + key + "'") != std::string::npos;
      if (needed && layer.find(", " + key + " =") == std::string::npos) {
        layer += ", " + key + " = " + value;
        break;
      }
    }
  }
  return layer + "}";
}

/// What a layer may be given: samples, and the tokens that they are, if any.
struct LayerCase {
  DimVector shape;
  std::int64_t vocabulary = 0;
};

inline const std::vector<LayerCase>& layer_cases() {
  static const std::vector<LayerCase> kCases = {
      {{4}},       {{7}},       {{1}},       {{4, 6}},       {{3, 5}},       {{1, 1}},       {{4, 6, 6}},
      {{4, 1, 6}}, {{3, 5, 7}}, {{1, 1, 1}}, {{4, 4, 4, 4}}, {{2, 3, 4, 5}}, {{1, 1, 1, 1}}, {{2, 2, 2, 2, 2}},
      {{5}, 9},    {{3, 4}, 9}};
  return kCases;
}

/// Three samples of a case, as a batch.
inline Tensor batch_of(const LayerCase& c) {
  DimVector shape = c.shape;
  shape.insert(0, 3);
  if (c.vocabulary > 0) {
    return randint(0, c.vocabulary, shape, TensorOptions().dtype(kInt64));
  }
  return randn(shape);
}

}  // namespace backflow::test
