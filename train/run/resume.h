#pragma once

#include <string>
#include <vector>

#include <backflow/io/dump.h>
#include <backflow/nn/module.h>
#include <backflow/nn/optim/optimizer.h>

namespace backflow::train {

/// Copies a dump's parameters and buffers into the model's, after checking that they are the same by name and shape. As
/// in PyTorch's load_state_dict(), floating-point numbers are converted to the model's dtype. Returns what the user
/// should know of that. Throws Error, which names `path`, when they are not the same.
std::vector<std::string> load_model(const std::string& path, const io::Dump& dump, const nn::Module& module);

/// The same for training to go on: of a dump whose parameters are averages, those that were trained. Throws Error for
/// other dtypes too, and for a dump that was stored with fewer digits than were trained.
void load_trained_model(const std::string& path, const io::Dump& dump, const nn::Module& module);

/// The optimizer's state as a dump holds it.
io::NamedTensors optimizer_state(const optim::Optimizer& optimizer, const nn::Module& module);
/// Gives it back, but for parameters of the model that the optimizer does not have. Throws Error for a state that is
/// not of this optimizer and model.
void load_optimizer(const io::Dump& dump, optim::Optimizer& optimizer, const nn::Module& module);

}  // namespace backflow::train
