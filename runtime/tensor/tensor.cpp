#include <backflow/runtime/tensor/tensor.h>

#include <ostream>

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

Tensor Tensor::detach() const {
  const TensorImpl& self = impl();
  Tensor y(TensorImpl::make(self.storage, self.dtype, self.sizes, self.strides, self.offset));
  y.impl().is_inference = self.is_inference;
  return y;
}

Tensor Tensor::data() const {
  const TensorImpl& self = impl();
  Tensor y(TensorImpl::make(Storage::alias(self.storage, 0), self.dtype, self.sizes, self.strides, self.offset));
  y.impl().is_inference = self.is_inference;
  return y;
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
