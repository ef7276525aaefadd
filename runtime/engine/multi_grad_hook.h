#pragma once

#include <cstdint>
#include <functional>

#include <backflow/runtime/tape/hooks.h>

namespace backflow::autograd {

enum class MultiGradMode : std::uint8_t { kAll, kAny };

/// Calls `hook` once in each backward. With `kAll`, when the pass has computed the gradients of all `tensors` that it
/// reaches; those of the others are undefined. With `kAny`, when the first one is there. The hook can't replace
/// gradients. As torch.autograd.graph.register_multi_grad_hook.
RemovableHandle register_multi_grad_hook(const variable_list& tensors,
                                         std::function<void(const variable_list& grads)> hook,
                                         MultiGradMode mode = MultiGradMode::kAll);

}  // namespace backflow::autograd
