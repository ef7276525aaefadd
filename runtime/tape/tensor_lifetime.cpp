// How tensors are made and destroyed: both need the types of the tape.
#include <backflow/runtime/tensor/tensor_impl.h>

#include <new>
#include <utility>

#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/runtime/tape/hooks.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/threads/thread_state.h>

namespace backflow {

TensorImpl::TensorImpl(IntrusivePtr<Storage> storage_, ScalarType dtype_, IntArrayRef sizes_, IntArrayRef strides_,
                       std::int64_t offset_)
    : storage(std::move(storage_)),
      offset(offset_),
      numel(numel_of(sizes_)),
      sizes(sizes_),
      strides(strides_),
      dtype(dtype_),
      is_contiguous(strides_are_contiguous(sizes_, strides_)) {}

TensorImpl::TensorImpl(IntrusivePtr<Storage> storage_, const TensorImpl& like, ScalarType dtype_)
    : storage(std::move(storage_)), numel(like.numel), sizes(like.sizes), strides(like.strides), dtype(dtype_) {}

TensorImpl::~TensorImpl() {
  // Nobody can ask for its grad() any more. A recorded one leads back to the node, which would keep itself alive.
  if (autograd && autograd->retains_grad && grad_fn && grad_fn->hooks() != nullptr) [[unlikely]] {
    grad_fn->hooks()->release_grad(*autograd);
  }
}

IntrusivePtr<TensorImpl> TensorImpl::make(IntrusivePtr<Storage> storage, ScalarType dtype, IntArrayRef sizes,
                                          IntArrayRef strides, std::int64_t offset) {
  void* memory = allocate_object(sizeof(TensorImpl));
  return IntrusivePtr<TensorImpl>(new (memory) TensorImpl(std::move(storage), dtype, sizes, strides, offset));
}

IntrusivePtr<TensorImpl> TensorImpl::make(IntrusivePtr<Storage> storage, ScalarType dtype, IntArrayRef sizes) {
  IntrusivePtr<TensorImpl> impl = make(std::move(storage), dtype, sizes, contiguous_strides(sizes), 0);
  impl->is_inference = thread_state().inference_mode;
  return impl;
}

IntrusivePtr<TensorImpl> TensorImpl::make_like(const TensorImpl& x, ScalarType dtype) {
  auto storage = Storage::make(static_cast<std::size_t>(x.numel) * element_size(dtype));
  void* memory = allocate_object(sizeof(TensorImpl));
  IntrusivePtr<TensorImpl> impl(new (memory) TensorImpl(std::move(storage), x, dtype));
  impl->is_inference = thread_state().inference_mode;
  return impl;
}

void TensorImpl::destroy() noexcept {
  this->~TensorImpl();
  deallocate_object(this);
}

AutogradMeta& TensorImpl::meta() {
  if (!autograd) {
    autograd = IntrusivePtr<AutogradMeta>(new AutogradMeta);
  }
  return *autograd;
}

}  // namespace backflow
