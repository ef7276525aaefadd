#pragma once

#include <string>
#include <vector>

#include <backflow/train/model/model_registry.h>

/// The models of the library that configurations can name; a family each. named_models() has them all.
namespace backflow::train {

std::vector<ModelType> dense_models();
std::vector<ModelType> image_models();
std::vector<ModelType> adversarial_models();

/// Images [channels, height, width].
struct ImageShape {
  std::int64_t channels;
  std::int64_t height;
  std::int64_t width;
};

/// The samples of a model of images. Throws ConfigError for other samples than floating-point numbers in three
/// dimensions.
ImageShape image_shape(const io::Section& s, const std::string& name, const ModelRequest& request);
/// The numbers that a model gives for one sample. Throws ConfigError when the request leaves that open.
std::int64_t outputs_of(const io::Section& s, const std::string& name, const ModelRequest& request);
/// Throws ConfigError for tokens.
void check_numbers(const io::Section& s, const std::string& name, const ModelRequest& request);
/// Takes the parameters of a model from the budget. Throws ConfigError at `key` when there is no room for them.
void take_parameters(const io::Section& s, const std::string& name, std::string_view key, double count,
                     ParameterBudget& budget);

}  // namespace backflow::train
