#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

class AccumulateGrad;
class NodeHooks;

/// The autograd data that only few tensors need: a gradient, an accumulator, hooks. Shared, since a hook may outlive
/// the tensor.
struct AutogradMeta final : RefCounted {
  /// Called by IntrusivePtr.
  void destroy() noexcept { delete this; }

  Tensor grad;                            ///< what backward has accumulated; undefined before the first
  Tensor grad_buffer;                     ///< the gradient's place in a bucket, if it has one
  bool is_buffer_taken = false;           ///< a node of a pass computes the gradient right there
  AccumulateGrad* accumulator = nullptr;  ///< of a leaf; weak: the tape owns it, and it owns the leaf
  std::shared_ptr<NodeHooks> leaf_hooks;  ///< of a leaf: those of every accumulator it will have
  bool retains_grad = false;              ///< of a non-leaf: backward sets `grad` too
  /// The node of each hook of the tensor, by the number that register_hook returned. An in-place operation gives the
  /// tensor another node, but its hooks stay with the node of the old value.
  std::vector<std::pair<std::weak_ptr<NodeHooks>, std::uint64_t>> tensor_hooks;
  std::mutex mutex;  ///< guards `accumulator` and `leaf_hooks`, `grad` and `is_buffer_taken` during accumulation
};

/// Adds a gradient to `meta.grad`; recorded when recording is on. Thread-safe.
void accumulate_into(AutogradMeta& meta, Tensor dy);
/// Sets the gradient of a non-leaf that retains it; each time to a new tensor.
void retain_in(AutogradMeta& meta, const Tensor& dy);

}  // namespace backflow
