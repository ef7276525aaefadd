#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <backflow/runtime/memory/intrusive_ptr.h>
#include <backflow/runtime/tensor/dtype.h>
#include <backflow/runtime/tensor/shape.h>
#include <backflow/runtime/tensor/storage.h>

namespace backflow {

class Node;
struct AutogradMeta;

/// How a view was made. A recorded change in place is allowed only through views of kRecording.
enum class ViewOrigin : std::uint8_t { kRecording, kNoGrad, kInference, kCustomFunction };

/// What a Tensor handle points at: storage, geometry, and the tensor's place on the tape.
struct TensorImpl final : RefCounted {
  /// A tensor over `storage`, off the tape. Strides and offset count elements.
  static IntrusivePtr<TensorImpl> make(IntrusivePtr<Storage> storage, ScalarType dtype, IntArrayRef sizes,
                                       IntArrayRef strides, std::int64_t offset);
  /// The same with row-major strides and offset 0.
  static IntrusivePtr<TensorImpl> make(IntrusivePtr<Storage> storage, ScalarType dtype, IntArrayRef sizes);
  /// A new row-major tensor with the sizes of `x`, which is one too: nothing has to be computed.
  static IntrusivePtr<TensorImpl> make_like(const TensorImpl& x, ScalarType dtype);
  /// Called by IntrusivePtr.
  void destroy() noexcept;

  std::byte* data() const { return storage->data() + offset * static_cast<std::int64_t>(element_size(dtype)); }
  /// Made when first asked for. Not thread-safe.
  AutogradMeta& meta();
  /// The node that made the present values; null for a leaf. A view gets a new one after a recorded operation has
  /// changed its elements in place.
  const IntrusivePtr<Node>& history() {
    if (is_stale()) [[unlikely]] {
      refresh_history();
    }
    return grad_fn;
  }
  /// Renews the history of a view if it is out of date, without waiting for other closures of a parallel().
  void remake_history();
  /// Whether operations on the tensor are recorded. As in PyTorch, also true for a view whose base requires a gradient,
  /// even if the view was made with recording off. Makes no history and never throws. The base is asked first: only
  /// where it says no is no other thread renewing the view's history.
  bool needs_grad() const {
    return (base && base->storage == storage && (base->requires_grad || base->grad_fn)) || requires_grad || grad_fn;
  }

  IntrusivePtr<Storage> storage;
  std::int64_t offset = 0;
  std::int64_t numel = 0;
  DimVector sizes;
  DimVector strides;
  ScalarType dtype = kFloat32;
  bool is_contiguous = true;
  bool requires_grad = false;  ///< of a leaf; a non-leaf requires one when it has a grad_fn
  bool is_inference = false;   ///< made in inference mode: no version, no tracking of views
  ViewOrigin view_origin = ViewOrigin::kRecording;
  std::atomic<std::uint32_t> view_changes{0};  ///< of a view: the storage's recorded changes when `grad_fn` was made
  std::uint32_t output_nr = 0;                 ///< which output of grad_fn this tensor is
  IntrusivePtr<Node> grad_fn;                  ///< see history()
  IntrusivePtr<TensorImpl> base;               ///< of a view: the tensor, itself no view, whose elements it shows
  IntrusivePtr<AutogradMeta> autograd;         ///< gradient, accumulator, hooks; none until needed

 private:
  TensorImpl(IntrusivePtr<Storage> storage_, ScalarType dtype_, IntArrayRef sizes_, IntArrayRef strides_,
             std::int64_t offset_);
  TensorImpl(IntrusivePtr<Storage> storage_, const TensorImpl& like, ScalarType dtype_);
  ~TensorImpl();
  /// Whether the tensor is a view whose elements a recorded operation has changed since `grad_fn` was made.
  bool is_stale() const { return base && view_changes.load(std::memory_order_acquire) != storage->recorded_changes(); }
  void refresh_history();
};

}  // namespace backflow
