#pragma once

#include <backflow/io/dump.h>
#include <backflow/nn/module.h>
#include <backflow/nn/optim/optimizer.h>

namespace backflow::train {

/// Parameters and buffers of a model, as a dump holds them. Tensors are shared, not copied.
io::Dump make_dump(const nn::Module& module);
/// Adds the state of an optimizer of some or all parameters of the model.
void append_optimizer_state(const optim::Optimizer& optimizer, const nn::Module& module, io::NamedTensors& to);

/// Throws Error when a tensor of the dump has elements that are NaN or infinite: nobody can go on from such a dump,
/// which would take the place of one from which one can.
void check_finite(const io::Dump& dump);

}  // namespace backflow::train
