#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/nn/optim/optimizer.h>
#include <backflow/train/loop/parameter_groups.h>

namespace backflow::train {

/// [optimizer]: which one, with its options.
struct OptimizerOptions {
  std::string name;
  double lr = 0;
  std::int64_t state_tensors = 0;  ///< of the size of a parameter, for each
  /// The optimizer of these parameters.
  std::function<std::unique_ptr<optim::Optimizer>(std::vector<Tensor>)> make;
  /// The options of a group: with so many times the learning rate, and a weight decay of its own if it has one.
  std::function<std::unique_ptr<optim::OptimizerOptions>(double lr_factor, std::optional<double> weight_decay)>
      make_options;
  std::vector<ParameterGroupOptions> groups;  ///< see make_optimizer()
};

/// Throws io::ConfigError for an optimizer that does not exist, and for wrong options.
OptimizerOptions read_optimizer(const io::Section& s);

}  // namespace backflow::train
