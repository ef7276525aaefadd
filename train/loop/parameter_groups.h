#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/nn/module.h>
#include <backflow/nn/optim/optimizer.h>

namespace backflow::train {

struct OptimizerOptions;

/// [[optimizer.groups]]: parameters that have options of their own.
struct ParameterGroupOptions {
  std::vector<std::string> match;      ///< patterns of names
  std::int64_t max_dims = -1;          ///< parameters of more dimensions are left out; -1: none are
  double lr_factor = 1;                ///< of the optimizer's learning rate
  std::optional<double> weight_decay;  ///< that of the optimizer unless given
  bool frozen = false;                 ///< not trained
  io::Section section;                 ///< for messages
};

/// The array `groups` of [optimizer]. Throws io::ConfigError.
std::vector<ParameterGroupOptions> read_parameter_groups(const io::Section& s);

/// Freezes the parameters of groups that say so: they no longer require a gradient. Throws io::ConfigError for a group
/// that takes no parameter, and when no parameter is left to train.
void freeze_parameters(const OptimizerOptions& options, const nn::Module& module);

/// The optimizer of those parameters that require a gradient: first the group of those that no [[optimizer.groups]]
/// takes, then one for each of these that takes any. The first group that matches a name takes the parameter.
std::unique_ptr<optim::Optimizer> make_optimizer(const OptimizerOptions& options,
                                                 const OrderedDict<std::string, Tensor>& parameters);

}  // namespace backflow::train
