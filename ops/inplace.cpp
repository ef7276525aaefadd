// What every in-place operator has in common, and the sums that the engine needs.
#include <backflow/ops/kernels/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/runtime/gradient_ops.h>

namespace backflow {

// With C linkage for the linker's option in CMakeLists.txt: whoever links the operators links this.
extern "C" const bool backflow_gradient_ops_installed = [] {
  set_gradient_ops({.add = [](const Tensor& a, const Tensor& b) { return add(a, b); },
                    .add_ = [](const Tensor& a, const Tensor& b) { a.add_(b); },
                    .copy_ = [](const Tensor& to, const Tensor& from) { kernels::copy(to, from); }});
  return true;
}();

void check_inplace(const char* op, const Tensor& self) {
  if (!self.is_contiguous()) {
    for (std::size_t d = 0; d < self.sizes().size(); ++d) {
      check(self.strides()[d] != 0 || self.sizes()[d] <= 1, op, "_: ", describe(self),
            " has elements that share memory: need a tensor whose elements are its own; clone() gives one");
    }
  }
  check(!(GradMode::is_enabled() && self.is_leaf() && self.requires_grad()), op, "_: ", describe(self),
        " is a leaf that requires a gradient: need a NoGradGuard around the change, or an operation that is not in "
        "place");
}

void check_recorded_inplace(const char* op, const Tensor& self) {
  check(!(self.impl().is_view && self.impl().storage->use_count() > 1), op, "_: ", describe(self),
        " is a view, and the change is recorded: need the tensor that it is a view of, or an operation that is not in "
        "place");
}

void assign_inplace(const char* op, const Tensor& self, const Tensor& y) {
  check(y.sizes() == self.sizes(), op, "_: the result has shape ", y.sizes(), ", the tensor ", describe(self),
        ": need equal shapes, since the tensor keeps its own");
  check(y.is_floating_point() <= self.is_floating_point(), op, "_: the result is ", short_name(y.scalar_type()),
        ", the tensor ", describe(self), ": need a floating-point tensor for it");
  const Tensor same = y.scalar_type() == self.scalar_type() ? y : to(y, self.scalar_type());
  kernels::copy(self, same);
  self.impl().storage->bump_version();
  if (!same.is_leaf()) {
    set_history(self, same.grad_fn(), same.output_nr());
  }
}

}  // namespace backflow
