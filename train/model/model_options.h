#pragma once

#include <functional>
#include <string>
#include <vector>

#include <backflow/io/config.h>

namespace backflow::train {

struct Model;
struct ModelRequest;
class ParameterBudget;

/// [model]: the model's name and, already read, the options of that name.
struct ModelOptions {
  /// Makes the model, if the budget has room for its parameters. Throws io::ConfigError for samples or outputs that the
  /// model does not have.
  using Make = std::function<Model(const ModelRequest& request, ParameterBudget& budget)>;

  std::string name;  ///< "mlp", "layers", "resnet18", ...
  Make make;
  io::Section section;
};

/// Reads [model]. Throws io::ConfigError for a name that is not registered (model_registry.h) and for wrong options.
ModelOptions read_model(const io::Section& s);

}  // namespace backflow::train
