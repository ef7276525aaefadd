#pragma once

#include <backflow/nn/archive/input_archive.h>

namespace backflow::serialize {

/// Whether it holds an optimizer that libtorch's torch::save() has written, which names things in a way of its own:
/// parameters by their address, "state.0x55d0.step", "param_groups.param_groups/0.options.lr".
bool is_libtorch_optimizer(const InputArchive& archive);
/// The same under the names of PyTorch's state_dict: "state.0.step", "param_groups.0.lr".
InputArchive with_pytorch_names(const InputArchive& archive);

}  // namespace backflow::serialize
