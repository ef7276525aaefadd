#pragma once

#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include <backflow/runtime/engine/pass_task.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/variable_list.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::autograd {

// libtorch's names.
using backflow::AutoGradMode;
using backflow::GradMode;

/// What a backward pass does besides computing gradients.
struct BackwardOptions {
  std::optional<bool> retain_graph = {};  ///< keep the graph for another backward; default: create_graph
  bool create_graph = false;              ///< record the gradients themselves
  std::span<const PassTask> tasks = {};   ///< work that starts as gradients of leaves become complete
  std::stop_token stop = {};              ///< from any thread: ends the pass with Cancelled before the next node
};

/// Adds the gradients of `roots` to the grad() of the leaves that they depend on. With `inputs`, to these alone; they
/// need not be leaves, and retain their gradient from then on.
///
/// `gradients`: one per root, of its shape and dtype. An undefined one, or an empty list, stands for 1; that is only
/// allowed for roots with one element. Throws Error for roots that require no gradient, for gradients of other shapes,
/// and for an empty list of inputs. Also for a graph that an earlier backward has freed, and whatever a node throws.
/// Several threads may call it at once.
void backward(const variable_list& roots, const variable_list& gradients, const BackwardOptions& options,
              OptionalTensorList inputs = {});
/// The same with libtorch's arguments.
void backward(const variable_list& roots, const variable_list& gradients = {},
              std::optional<bool> retain_graph = std::nullopt, bool create_graph = false,
              OptionalTensorList inputs = {});

/// The gradients of `outputs` with respect to `inputs`, which need not be leaves. Adds to no grad(). An input that the
/// outputs do not depend on is an Error; with `allow_unused` its gradient is undefined. An empty list of inputs is an
/// Error.
variable_list grad(const variable_list& outputs, const variable_list& inputs, const variable_list& grad_outputs = {},
                   std::optional<bool> retain_graph = std::nullopt, bool create_graph = false,
                   bool allow_unused = false);

}  // namespace backflow::autograd
