#pragma once

#include <cstdint>
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
  std::int64_t state_tensors = 0;  ///< of the size of a parameter, for each
  /// The optimizer of these parameters.
  std::function<std::unique_ptr<optim::Optimizer>(std::vector<Tensor>)> make;
};

/// Throws io::ConfigError for an optimizer that does not exist, and for wrong options.
OptimizerOptions read_optimizer(const io::Section& s);

}  // namespace backflow::train
