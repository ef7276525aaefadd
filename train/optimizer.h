#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/nn/optim/optimizer.h>

namespace backflow::train {

/// [optimizer]: which one, with its options.
struct OptimizerOptions {
  std::string name;
  double lr = 0;
  /// The optimizer of these parameters.
  std::function<std::unique_ptr<optim::Optimizer>(std::vector<Tensor>)> make;
};

/// Throws io::ConfigError for an optimizer that does not exist, and for wrong options.
OptimizerOptions read_optimizer(const io::Section& s);

}  // namespace backflow::train
