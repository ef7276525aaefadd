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

/// What few tensors have: a gradient of their own, or hooks. Shared, since a hook may outlive the tensor.
struct AutogradMeta final : RefCounted {
  /// Called by IntrusivePtr.
  void destroy() noexcept { delete this; }

  Tensor grad;                            ///< what backward has accumulated; undefined before the first
  Tensor grad_buffer;                     ///< where the gradient has to live (its place in a bucket), if anywhere
  AccumulateGrad* accumulator = nullptr;  ///< of a leaf; weak: the tape owns it, and it owns the leaf
  std::shared_ptr<NodeHooks> leaf_hooks;  ///< of a leaf: those of every accumulator it will have
  bool retains_grad = false;              ///< of a non-leaf: backward sets `grad` too
  /// Where each hook of the tensor went, by the number that register_hook gave: an operation in place gives the tensor
  /// another node, and leaves the hooks with the value that they were registered for.
  std::vector<std::pair<std::weak_ptr<NodeHooks>, std::uint64_t>> tensor_hooks;
  std::mutex mutex;  ///< guards `accumulator` and `leaf_hooks`, and `grad` during accumulation
};

/// Adds a gradient to `meta.grad`; recorded when recording is on. Thread-safe.
void accumulate_into(AutogradMeta& meta, Tensor dy);
/// The same for a non-leaf that retains its gradient, which becomes another tensor each time.
void retain_in(AutogradMeta& meta, const Tensor& dy);

}  // namespace backflow
