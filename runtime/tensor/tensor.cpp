#include <backflow/runtime/tensor/tensor.h>

#include <ostream>

#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/hooks.h>
#include <backflow/runtime/tape/node.h>

namespace backflow {

void Tensor::fail_undefined() { fail("tensor: undefined: need a tensor that has been given a value"); }

void Tensor::fail_dtype(ScalarType asked) const {
  fail("data_ptr: asked for ", short_name(asked), " of ", short_name(scalar_type()), ": need the tensor's own dtype");
}

std::int64_t Tensor::size(std::int64_t dim) const { return impl().sizes[wrap_dim("size", dim, impl().sizes.size())]; }

std::int64_t Tensor::stride(std::int64_t dim) const {
  return impl().strides[wrap_dim("stride", dim, impl().sizes.size())];
}

Scalar Tensor::item() const {
  check(numel() == 1, "item: ", describe(*this), " has ", numel(), " elements: need exactly one");
  return dispatch(scalar_type(), [&](auto zero) { return Scalar(*const_data_ptr<decltype(zero)>()); });
}

const Tensor& Tensor::set_requires_grad(bool requires_grad) const {
  TensorImpl& self = impl();
  check(!requires_grad || is_floating_point(), "requires_grad_: dtype ", short_name(scalar_type()),
        ": need a floating-point tensor");
  check(!(requires_grad && self.is_inference) || InferenceMode::is_enabled(), "requires_grad_: ", describe(*this),
        " was made in inference mode: need that mode, or a normal tensor, which clone() gives");
  check(requires_grad || is_leaf(),
        "requires_grad_: false for a tensor that a recorded operation made: need a leaf; detach() gives one");
  if (is_leaf()) {
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
  Tensor y(TensorImpl::make(self.storage, self.dtype, self.sizes, self.strides, self.offset));
  y.impl().is_inference = self.is_inference;
  return y;
}

const Tensor& Tensor::detach_() const {
  TensorImpl& self = impl();
  check(!self.base, "detach_: ", describe(*this), " is a view: need a tensor that is none; detach() takes both");
  if (retains_grad() && self.grad_fn) {
    self.grad_fn->make_hooks()->release_grad(*self.autograd);
    self.autograd->retains_grad = false;
  }
  self.grad_fn.reset();
  self.output_nr = 0;
  self.requires_grad = false;
  return *this;
}

Tensor Tensor::data() const {
  const TensorImpl& self = impl();
  Tensor y(TensorImpl::make(Storage::alias(self.storage, 0), self.dtype, self.sizes, self.strides, self.offset));
  y.impl().is_inference = self.is_inference;
  return y;
}

void Tensor::set_data(const Tensor& other) const {
  TensorImpl& self = impl();
  const TensorImpl& from = other.impl();
  check(!requires_grad() || other.is_floating_point(), "set_data: ", describe(*this), " requires a gradient, ",
        describe(other), " is integral: need a floating-point tensor");
  if (from.dtype != self.dtype && self.autograd) {
    self.autograd->accumulator = nullptr;  // it adds gradients of the other dtype
  }
  self.storage = Storage::alias(from.storage, self.storage->version());
  self.offset = from.offset;
  self.numel = from.numel;
  self.sizes = from.sizes;
  self.strides = from.strides;
  self.dtype = from.dtype;
  self.is_contiguous = from.is_contiguous;
  self.base.reset();
}

std::uint32_t Tensor::_version() const {
  check(!is_inference(), "_version: ", describe(*this),
        " was made in inference mode: need a tensor that counts changes");
  return impl().storage->version();
}

Tensor Tensor::_base() const {
  check(is_view(), "_base: ", describe(*this), " is no view: need one");
  return Tensor(impl().base);
}

Tensor empty_tensor(IntArrayRef sizes, ScalarType dtype) {
  const auto bytes = static_cast<std::size_t>(numel_of(sizes)) * element_size(dtype);
  return Tensor(TensorImpl::make(Storage::make(bytes), dtype, sizes));
}

Tensor empty_tensor_like(const Tensor& x, ScalarType dtype) {
  return x.is_contiguous() ? Tensor(TensorImpl::make_like(x.impl(), dtype)) : empty_tensor(x.sizes(), dtype);
}

Tensor view_of(const Tensor& x, IntArrayRef sizes, IntArrayRef strides, std::int64_t offset) {
  Tensor y(TensorImpl::make(x.impl().storage, x.scalar_type(), sizes, strides, offset));
  y.impl().is_inference = x.is_inference();
  return y;
}

std::ostream& operator<<(std::ostream& out, const Description& description) {
  const Tensor& x = description.x_;
  return x.defined() ? out << short_name(x.scalar_type()) << x.sizes() : out << "undefined";
}

}  // namespace backflow
