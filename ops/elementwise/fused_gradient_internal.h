#pragma once

// What functions have in common whose gradient is one kernel too, unless it is itself recorded: most activations.

#include <cmath>

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/elementwise/masks_internal.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow::detail {

/// f(dy, x) off the tape.
inline Tensor fused_gradient(kernels::Binary f, const Tensor& dy, const Tensor& x, const kernels::Params& params) {
  return compute_like(
      x.scalar_type(),
      [&](const Tensor& dx, const Tensor& a, const Tensor& value) { kernels::binary(f, dx, a, value, params); },
      Cast(dy, x.scalar_type()), x);
}

/// The same in a backward, where it may take the place of dy: at once, or when what was put off is run.
inline Tensor fused_gradient(Backward& b, kernels::Binary f, const Tensor& x, const kernels::Params& params) {
  const Tensor& dy = b.dy();
  const bool is_deferred = may_defer_like(dy) && !kernels::may_be_blocked(dy);
  if (is_deferred || !b.owns_dy() || dy.scalar_type() != x.scalar_type() || dy.sizes() != x.sizes() ||
      kernels::block_of(dy) != kernels::block_of(x)) {
    return fused_gradient(f, dy, x, params);
  }
  compute_into(
      dy, [&](const Tensor& to, const Tensor& a, const Tensor& value) { kernels::binary(f, to, a, value, params); }, dy,
      x);
  return dy;
}

/// Of `y = f(x)` on floating-point numbers: the forward kernel, what is saved and which gradient is taken. `Op` adds
/// `recorded(dy, x)`, the gradient in recorded operators. An `Op` whose kernel takes parameters has forwards and a
/// `save` of its own.
template <class Op, class F, class Gradient>
struct Activation {
  SavedTensor x;
  kernels::Params params;

  static Tensor forward(const Tensor& x) { return result(x, {}); }
  static bool forward_into(const Tensor& y, const Tensor& x) { return write(y, x, {}); }
  void save(Needs, const Tensor& x_, const Tensor&) { keep(x_, {}); }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    b.dx(0) = GradMode::is_enabled() ? static_cast<const Op&>(*this).recorded(b.dy(), value)
                                     : fused_gradient(b, Gradient{}, value, params);
  }

 protected:
  static Tensor result(const Tensor& x, const kernels::Params& params) {
    check_has(Op::info.name, F{}, x.scalar_type());
    check_params(x.scalar_type(), params);
    return compute_like(
        x.scalar_type(), [&](const Tensor& y, const Tensor& a) { kernels::unary(F{}, y, a, params); }, x);
  }
  static bool write(const Tensor& y, const Tensor& x, const kernels::Params& params) {
    check_has(Op::info.name, F{}, x.scalar_type());
    check_params(x.scalar_type(), params);
    compute_into(
        y, [&](const Tensor& to, const Tensor& a) { kernels::unary(F{}, to, a, params); }, x);
    return true;
  }
  void keep(const Tensor& x_, const kernels::Params& params_) {
    x.save(x_);
    params = params_;
  }

 private:
  static void check_params(ScalarType dtype, const kernels::Params& params) {
    constexpr double kHeldByAll = 0x1.fep127;  // bfloat16's largest
    for (const double number : params) {
      if (!(std::abs(number) <= kHeldByAll)) [[unlikely]] {
        check_number(Op::info.name, number, dtype);
      }
    }
  }
};

}  // namespace backflow::detail
