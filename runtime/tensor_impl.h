#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <backflow/runtime/dtype.h>
#include <backflow/runtime/intrusive_ptr.h>
#include <backflow/runtime/shape.h>
#include <backflow/runtime/storage.h>

namespace backflow {

class Node;
struct AutogradMeta;

/// What a Tensor handle points at: storage, geometry, and the tensor's place on the tape.
struct TensorImpl final : RefCounted {
  /// A tensor over `storage`, off the tape. Strides and offset count elements.
  static IntrusivePtr<TensorImpl> make(IntrusivePtr<Storage> storage, ScalarType dtype, IntArrayRef sizes,
                                       IntArrayRef strides, std::int64_t offset);
  /// The same with row-major strides and offset 0.
  static IntrusivePtr<TensorImpl> make(IntrusivePtr<Storage> storage, ScalarType dtype, IntArrayRef sizes);
  /// Called by IntrusivePtr.
  void destroy() noexcept;

  std::byte* data() const { return storage->data() + offset * static_cast<std::int64_t>(element_size(dtype)); }
  /// The autograd data of a leaf, made when first asked for. Not thread-safe.
  AutogradMeta& meta();

  IntrusivePtr<Storage> storage;
  std::int64_t offset = 0;
  std::int64_t numel = 0;
  DimVector sizes;
  DimVector strides;
  ScalarType dtype = kFloat32;
  bool is_contiguous = true;
  bool requires_grad = false;              ///< of a leaf; a non-leaf requires one when it has a grad_fn
  bool is_view = false;                    ///< an operator made it from another tensor of the same storage
  std::uint32_t view_changes = 0;          ///< of a view: the storage's recorded changes when its history was made
  std::uint32_t output_nr = 0;             ///< which output of grad_fn this tensor is
  IntrusivePtr<Node> grad_fn;              ///< the node that made this tensor; none for a leaf
  std::unique_ptr<AutogradMeta> autograd;  ///< gradient and accumulator; none until needed

 private:
  TensorImpl(IntrusivePtr<Storage> storage_, ScalarType dtype_, IntArrayRef sizes_, IntArrayRef strides_,
             std::int64_t offset_);
  ~TensorImpl();
};

}  // namespace backflow
