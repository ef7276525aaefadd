// Methods of Tensor that concern its place on the tape.
#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/hooks.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

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

}  // namespace backflow
