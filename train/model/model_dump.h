#pragma once

#include <backflow/io/dump.h>
#include <backflow/nn/module.h>
#include <backflow/nn/optim/optimizer.h>

namespace backflow::train {

/// Parameters and buffers of a model, and its optimizer's state, as a dump holds them. Tensors are shared, not copied.
io::Dump make_dump(const nn::Module& module, const optim::Optimizer& optimizer);

/// Throws Error when a tensor of the dump has elements that are NaN or infinite: nobody can go on from such a dump,
/// which would take the place of one from which one can.
void check_finite(const io::Dump& dump);

}  // namespace backflow::train
