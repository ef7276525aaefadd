#pragma once

#include <any>
#include <cstdint>
#include <functional>
#include <memory>

#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/threads/thread_state.h>

namespace backflow {

/// A tensor that a forward keeps for its backward. It remembers the version of the storage: when the tensor has been
/// changed in place since, unpack() is an Error rather than a wrong gradient. As in PyTorch, there is a cycle when a
/// saved operand is later changed in place so that it depends on the node that saved it. Then tensor and node keep each
/// other alive, until detach_().
class SavedTensor {
 public:
  /// Keeps an operand of the forward. Throws Error for an inference tensor outside of inference mode.
  void save(const Tensor& x) {
    keep(x, x);
    is_output_ = false;
  }
  /// Keeps a result of the forward. Held off the tape, since the node that holds it is its own history.
  void save_output(const Tensor& y, std::uint32_t output_nr = 0) {
    keep(y.detach(), y);
    output_nr_ = output_nr;
    is_output_ = true;
  }

  bool defined() const { return packed_ || tensor_.defined(); }
  /// The tensor with its history; `owner` is the node that saved it. Throws Error when the tensor has been changed in
  /// place.
  Tensor unpack(Node& owner) const;
  /// The same for an operand that no node saved.
  Tensor unpack() const;

 private:
  struct Packed;
  struct DeletePacked {
    void operator()(Packed* packed) const;
  };

  void keep(Tensor kept, const Tensor& x) {
    if (x.impl().is_inference || thread_state().saved_tensor_hooks != nullptr) [[unlikely]] {
      keep_specially(std::move(kept), x);
      return;
    }
    version_ = x.impl().storage->version();
    tensor_ = std::move(kept);
  }
  void keep_specially(Tensor kept, const Tensor& x);
  Tensor unpack_packed() const;
  void check_version(const Node* owner) const;

  Tensor tensor_;
  std::unique_ptr<Packed, DeletePacked> packed_;  ///< instead of `tensor_`, what the hooks made of it
  std::uint32_t version_ = 0;
  std::uint32_t output_nr_ = 0;
  bool is_output_ = false;
};

/// Until the end of the scope, tensors that operations of this thread save for backward go through these functions.
/// `pack` turns a tensor into anything: a file's name, a compressed copy. `unpack` turns that back into a tensor of the
/// same shape and dtype when backward needs it. Hooks nest; the innermost are used. `pack` is called with recording off
/// and must not change its tensor. `unpack` is called once for each use, on any of the engine's threads, and for
/// several tensors at once. As torch.autograd.graph.saved_tensors_hooks.
class SavedTensorHooks {
 public:
  using Pack = std::function<std::any(const Tensor&)>;
  using Unpack = std::function<Tensor(const std::any&)>;

  SavedTensorHooks(Pack pack, Unpack unpack);
  ~SavedTensorHooks();
  SavedTensorHooks(const SavedTensorHooks&) = delete;
  SavedTensorHooks& operator=(const SavedTensorHooks&) = delete;

 private:
  friend class SavedTensor;

  Pack pack_;
  std::shared_ptr<const Unpack> unpack_;
  const SavedTensorHooks* outer_;
  const std::uint64_t branch_;  ///< that they were set in
};

namespace autograd::graph {
// NOLINTNEXTLINE(readability-identifier-naming): PyTorch's name
using saved_tensors_hooks = SavedTensorHooks;
}  // namespace autograd::graph

}  // namespace backflow
