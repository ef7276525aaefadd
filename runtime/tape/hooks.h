#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/tape/variable_list.h>

namespace backflow {

/// Runs before a node: may replace the gradients of its outputs. As libtorch's.
class FunctionPreHook {
 public:
  virtual ~FunctionPreHook() = default;
  virtual variable_list operator()(const variable_list& grads) = 0;
};

/// Runs after a node. Gets the gradients of its operands and of its outputs, and may replace those of the operands.
class FunctionPostHook {
 public:
  virtual ~FunctionPostHook() = default;
  virtual variable_list operator()(const variable_list& grad_inputs, const variable_list& grad_outputs) = 0;
};

/// The hooks of one node, which run in this order: those of its output tensors, in the order of their registration;
/// the one that sets grad() of an output that retains it; the node's own before and after `apply`; for a leaf, those
/// after accumulation. Hooks may be added and removed from any thread, also while they run: a pass runs those that
/// were there when it came to the node.
class NodeHooks final {
 public:
  using TensorHook = std::function<Tensor(const Tensor& grad)>;
  using AccumulateHook = std::function<void(const Tensor& leaf)>;

  /// Whether a tensor hook is called when the gradient is undefined.
  enum class Undefined : std::uint8_t { kSkipped, kPassed };

  /// Each returns a number for `remove`.
  std::uint64_t add_tensor_hook(std::uint32_t output_nr, TensorHook hook, Undefined undefined = Undefined::kSkipped);
  std::uint64_t add_pre_hook(std::shared_ptr<FunctionPreHook> hook);
  std::uint64_t add_post_hook(std::shared_ptr<FunctionPostHook> hook);
  std::uint64_t add_accumulate_hook(AccumulateHook hook);
  /// False when there is no such hook any more.
  bool remove(std::uint64_t id);

  /// Sets `meta->grad` to the gradient of an output in each backward.
  void retain_grad(std::uint32_t output_nr, IntrusivePtr<AutogradMeta> meta);
  /// Takes back what retain_grad set up for `meta`.
  void release_grad(const AutogradMeta& meta);

  void run_tensor_hooks(std::span<Tensor> dy) const;
  void run_retain_grad(std::span<const Tensor> dy) const;
  void run_pre_hooks(std::span<Tensor> dy) const;
  void run_post_hooks(std::span<Tensor> dx, std::span<const Tensor> dy) const;
  void run_accumulate_hooks(const Tensor& leaf) const;
  bool has_post_hooks() const;
  /// Whether there is a hook that is given incoming gradients, and may keep one.
  bool takes_gradients() const;
  /// The node waits for others: backward runs all nodes of this kind one after another, the newest first, on any number
  /// of threads.
  void set_in_order() { in_order_ = true; }
  bool is_in_order() const { return in_order_; }
  /// A number that no other node's hooks have, now or later.
  std::uint64_t number() const { return number_; }

 private:
  struct OutputHook {
    std::uint32_t output_nr;
    bool takes_undefined;
    TensorHook hook;
  };
  template <class Hook>
  using List = std::vector<std::pair<std::uint64_t, Hook>>;

  static std::uint64_t next_number();
  template <class Hook>
  std::uint64_t add(List<Hook>& list, Hook hook);
  template <class Hooks>
  Hooks snapshot(const Hooks& list) const;

  mutable std::mutex mutex_;
  const std::uint64_t number_ = next_number();
  std::uint64_t next_id_ = 1;
  bool in_order_ = false;  ///< set before the node is shared between threads
  List<OutputHook> tensor_hooks_;
  List<std::shared_ptr<FunctionPreHook>> pre_hooks_;
  List<std::shared_ptr<FunctionPostHook>> post_hooks_;
  List<AccumulateHook> accumulate_hooks_;
  std::vector<std::pair<std::uint32_t, IntrusivePtr<AutogradMeta>>> retained_;
};

/// Removes what it was returned for; does nothing the second time. The hook stays when the handle is dropped.
class RemovableHandle {
 public:
  RemovableHandle() = default;
  explicit RemovableHandle(std::function<void()> remove) : remove_(std::move(remove)) {}
  void remove() {
    if (const auto remove = std::exchange(remove_, nullptr)) {
      remove();
    }
  }

 private:
  std::function<void()> remove_;
};

namespace autograd {

// libtorch's names.
using backflow::FunctionPostHook;
using backflow::FunctionPreHook;

}  // namespace autograd

/// The hooks of a tensor as it is now: those of its node, or of a leaf's present and future accumulators.
std::shared_ptr<NodeHooks> hooks_of(const Tensor& x);

/// A tensor's post-accumulate hook runs after backward has added to its grad(), on the thread that did. Throws Error
/// unless `leaf` is a leaf that requires a gradient. As Tensor.register_post_accumulate_grad_hook of PyTorch.
RemovableHandle register_post_accumulate_grad_hook(const Tensor& leaf, NodeHooks::AccumulateHook hook);

}  // namespace backflow
