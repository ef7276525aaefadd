#pragma once

#include <functional>
#include <vector>

#include <backflow/runtime/engine/autograd.h>

namespace backflow {

struct CheckpointOptions {
  bool preserve_rng_state = true;  ///< draw the same random numbers again
};

/// Calls `fn(inputs)` without keeping what its operations save: between forward and backward only the inputs are held.
/// Backward runs `fn` again when it needs the first saved tensor, and only as far as necessary. It drops each tensor as
/// its node ends. So `fn` must do the same again, and what it captures must not have changed.
///
/// Gradients, also with respect to tensors that `fn` captures, are bit for bit those without a checkpoint. grad(),
/// create_graph, retain_graph and nested checkpoints work, to any depth. Throws Error in backward when the second run
/// saves other tensors than the first, or an input was changed in place.
///
/// Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016; as torch.utils.checkpoint without re-entrance.
std::vector<Tensor> checkpoint(std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)> fn,
                               const std::vector<Tensor>& inputs, CheckpointOptions options = {});
Tensor checkpoint(std::function<Tensor(const Tensor& input)> fn, const Tensor& input, CheckpointOptions options = {});

}  // namespace backflow
