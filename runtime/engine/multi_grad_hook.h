#pragma once

#include <cstdint>
#include <functional>

#include <backflow/runtime/tape/hooks.h>

namespace backflow::autograd {

enum class MultiGradMode : std::uint8_t { kAll, kAny };

/// Calls `hook` once in each backward: with `kAll` when the gradients of all `tensors` that the pass computes are there
/// (undefined for the others), with `kAny` as soon as one is. It can't replace them. As
/// torch.autograd.graph.register_multi_grad_hook.
RemovableHandle register_multi_grad_hook(const variable_list& tensors,
                                         std::function<void(const variable_list& grads)> hook,
                                         MultiGradMode mode = MultiGradMode::kAll);

}  // namespace backflow::autograd
