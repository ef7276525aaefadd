#pragma once

#include <concepts>
#include <functional>
#include <memory>
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

/// The model of a module that maps [n, sample...] to [n, outputs], whose results take the shape `output_shape`.
template <std::derived_from<nn::Module> Module>
Model model_of(const std::shared_ptr<Module>& module, const DimVector& output_shape) {
  Model model;
  model.module = module;
  model.output_shape = output_shape;
  model.forward = [module, output_shape](const Tensor& x) -> Tensor {
    const Tensor y = module->forward(x);
    if (output_shape.size() == 1) {
      return y;
    }
    DimVector sizes = output_shape;
    sizes.insert(0, y.size(0));
    return y.reshape(sizes);
  };
  return model;
}
template <class Module>
Model model_of(const nn::ModuleHolder<Module>& module, const DimVector& output_shape) {
  return model_of(module.ptr(), output_shape);
}

}  // namespace backflow::train
