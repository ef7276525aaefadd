// What every in-place operator has in common, and the sums that the engine needs.
#include <algorithm>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/runtime/tensor/gradient_ops.h>

namespace backflow {
namespace {

/// A row-major copy off the tape.
Tensor copy_of(const Tensor& x) {
  Tensor y = empty_tensor_like(x, x.scalar_type());
  kernels::copy(y, x);
  return y;
}

bool has_nan(const Tensor& x) {
  return x.is_floating_point() && dispatch(x.scalar_type(), [&](auto zero) {
           using T = decltype(zero);
           const Tensor row = x.is_contiguous() ? x : copy_of(x);
           const T* values = row.const_data_ptr<T>();
           return std::any_of(values, values + row.numel(), [](T value) { return value != value; });
         });
}

/// a += b, as a.add_(b) off the tape: gradients that are added are nearly always of one kind, and apart.
void add_gradient(const Tensor& a, const Tensor& b) {
  if (a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && !a.is_alias_of(b)) {
    detail::compute_into(
        a,
        [](const Tensor& y, const Tensor& x, const Tensor& w) { kernels::binary(kernels::functions::Add{}, y, x, w); },
        a, b);
    bump_version(a);
  } else {
    a.add_(b);
  }
}

}  // namespace

// With C linkage for the linker's option in CMakeLists.txt: whoever links the operators links this.
extern "C" const bool backflow_gradient_ops_installed = [] {
  set_gradient_ops(
      {.add = [](const Tensor& a, const Tensor& b) { return add(a, b); },
       .add_ = add_gradient,
       .copy_ = [](const Tensor& to, const Tensor& from) { detail::compute_into(to, kernels::copy, from); },
       .reduce_to = [](const Tensor& x, IntArrayRef sizes,
                       ScalarType dtype) { return detail::reduce_to(x, sizes, dtype); },
       .as_strided = [](const Tensor& x, const Geometry& v) { return as_strided(x, v.sizes, v.strides, v.offset); },
       .gather =
           [](const Tensor& x, const Geometry& base, const Geometry& v) {
             return strided_gather(x, base.strides, v.sizes, v.strides, v.offset - base.offset);
           },
       .scatter =
           [](const Tensor& x, const Tensor& src, const Geometry& base, const Geometry& v) {
             return strided_scatter(x, src.defined() ? src : zeros(v.sizes, x.scalar_type()), base.strides, v.strides,
                                    v.offset - base.offset);
           },
       .zeros = [](IntArrayRef sizes, ScalarType dtype) { return zeros(sizes, dtype); },
       .has_nan_ = has_nan});
  return true;
}();

namespace detail {

Tensor old_value(const Tensor& self) {
  Tensor old = self.detach();
  set_history(old, self.grad_fn(), self.output_nr());
  return old;
}

void keep_old_value(Tensor& old) {
  if (old.use_count() == 1) {
    return;
  }
  Tensor kept = copy_of(old);
  set_history(kept, old.grad_fn(), old.output_nr());
  old = std::move(kept);
}

void assign_inplace(std::string_view op, const Tensor& self, const Tensor& y) {
  check(y.sizes() == self.sizes(), op, ": the result has shape ", y.sizes(), ", the tensor ", describe(self),
        ": need equal shapes, since the tensor keeps its own");
  check(y.is_floating_point() <= self.is_floating_point(), op, ": the result is ", short_name(y.scalar_type()),
        ", the tensor ", describe(self), ": need a floating-point tensor for it");
  const Tensor same = y.scalar_type() == self.scalar_type() ? y : to(y, self.scalar_type());
  if (self.is_view() && !same.is_leaf()) {
    self.copy_(same);  // one node, as the base's history needs it, however many made `same`
    return;
  }
  kernels::copy(self, same);
  bump_version(self);
  if (!same.is_leaf()) {
    rebase_history(self, same.grad_fn(), same.output_nr());
  }
}

}  // namespace detail
}  // namespace backflow
