#include <backflow/runtime/tensor.h>

#include <ostream>

#include <backflow/runtime/accumulate_grad.h>
#include <backflow/runtime/node.h>

namespace backflow {

void Tensor::fail_undefined() { fail("tensor: undefined: need a tensor that has been given a value"); }

std::int64_t Tensor::size(std::int64_t dim) const { return impl().sizes[wrap_dim("size", dim, impl().sizes.size())]; }

std::int64_t Tensor::stride(std::int64_t dim) const {
  return impl().strides[wrap_dim("stride", dim, impl().sizes.size())];
}

Scalar Tensor::item() const {
  check(numel() == 1, "item: ", describe(*this), " has ", numel(), " elements: need exactly one");
  return dispatch(scalar_type(), [&](auto zero) { return Scalar(*data_ptr<decltype(zero)>()); });
}

const Tensor& Tensor::set_requires_grad(bool requires_grad) const {
  TensorImpl& self = impl();
  check(!requires_grad || is_floating_point(), "requires_grad_: dtype ", short_name(scalar_type()),
        ": need a floating-point tensor");
  check(requires_grad || !self.grad_fn,
        "requires_grad_: false for a tensor that a recorded operation made: need a leaf; detach() gives one");
  if (!self.grad_fn) {
    self.requires_grad = requires_grad;
    if (requires_grad) {
      self.meta();  // made now, so that threads which record with this leaf only read
    }
  }
  return *this;
}

const Tensor& Tensor::grad() const {
  static const Tensor kUndefined;
  const TensorImpl& self = impl();
  return self.autograd ? self.autograd->grad : kUndefined;
}

Tensor& Tensor::mutable_grad() const { return impl().meta().grad; }

Tensor Tensor::detach() const {
  const TensorImpl& self = impl();
  return Tensor(TensorImpl::make(self.storage, self.dtype, self.sizes, self.strides, self.offset));
}

Tensor empty_tensor(IntArrayRef sizes, ScalarType dtype) {
  const auto bytes = static_cast<std::size_t>(numel_of(sizes)) * element_size(dtype);
  return Tensor(TensorImpl::make(Storage::make(bytes), dtype, sizes));
}

Tensor view_of(const Tensor& x, IntArrayRef sizes, IntArrayRef strides, std::int64_t offset) {
  return Tensor(TensorImpl::make(x.impl().storage, x.scalar_type(), sizes, strides, offset));
}

std::ostream& operator<<(std::ostream& out, const Description& description) {
  const Tensor& x = description.x_;
  return x.defined() ? out << short_name(x.scalar_type()) << x.sizes() : out << "undefined";
}

}  // namespace backflow
