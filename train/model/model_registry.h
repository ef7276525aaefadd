#pragma once

#include <functional>
#include <string>
#include <vector>

#include <backflow/train/model/model.h>
#include <backflow/train/model/parameter_budget.h>

namespace backflow::train {

/// A model that a configuration can name, as name = "resnet18" in [model].
struct ModelType {
  std::string name;
  std::string sentence;  ///< what it is, for the documentation
  /// Reads the options of [model], each with a sentence, and returns what makes the model.
  std::function<ModelOptions::Make(const io::Section& model)> read;
};

/// Adds a model to those that configurations can name; a program calls this before train::main(). Throws Error for a
/// name that is taken. Not thread-safe.
void register_model(ModelType type);
/// All models by name, those of the library first.
const std::vector<ModelType>& model_types();

}  // namespace backflow::train
