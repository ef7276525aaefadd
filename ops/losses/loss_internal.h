#pragma once

// What losses have in common: reductions, checks, and those of an input and a target of one shape.

#include <cmath>

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/kernels/losses/losses.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>

namespace backflow::detail {

/// Throws Error unless `reduction` is None, Mean or Sum.
void check_reduction(const char* where, std::int64_t reduction);
/// Throws Error unless both are of one shape and one floating-point dtype.
void check_pair(const char* where, const Tensor& x, const Tensor& target);
/// Throws Error unless `weight` is undefined, or has the dtype of x and broadcasts to its shape.
void check_weight(const char* where, const char* name, const Tensor& weight, const Tensor& x);
/// Throws Error when the gradient of a weight is wanted: none has one.
void check_constant(const char* where, const char* name, bool wants_gradient);

/// x in float32, on the tape: compositions of bfloat16 are computed so and rounded once.
inline Tensor widened(const Tensor& x) { return x.defined() ? to(x, kFloat32) : x; }

/// A loss of an input and a target of one shape: one node, and a gradient that is one kernel unless it is itself
/// recorded. `Op` adds `input_gradient(g, x, t)`, the recorded gradient for the input from g, that of each element's
/// loss, which may be one number; and `target_gradient`, the same for the target. An `Op` that takes targets of other
/// shapes has its own `fitted(t, x)`, such a target in the shape of x, and `unfitted(dt, t)`, the way back.
template <class Op>
struct PairLoss {
  SavedTensor x;
  SavedTensor target;
  SavedTensor weight;
  kernels::Loss f{};
  kernels::Params params{};
  std::int64_t reduction = Reduction::Mean;

  void backward(Backward& b) const {
    const Tensor value = b(x);
    const Tensor given = b(target);
    const Tensor t = Op::fitted(given, value);
    const Tensor dy = weight.defined() ? b.dy() * b(weight) : b.dy();
    const double divisor = reduction == Reduction::Mean ? static_cast<double>(value.numel()) : 1;
    const auto& op = static_cast<const Op&>(*this);
    b.set_dx(0, [&] {
      return GradMode::is_enabled() ? op.input_gradient(dy / divisor, value, t) : fused(dy, value, t, divisor);
    });
    b.set_dx(1, [&] { return Op::unfitted(op.target_gradient(dy / divisor, value, t), given); });
  }

  template <class... Args>
  static Cost cost(const Tensor& x, const Args&...) {
    return elementwise_cost(x, 3);
  }
  template <class... Args>
  static Cost forward_cost(const Tensor& x, const Args&...) {
    return elementwise_cost(x, 2);
  }

  static const Tensor& fitted(const Tensor& t, const Tensor&) { return t; }
  static const Tensor& unfitted(const Tensor& dt, const Tensor&) { return dt; }

 protected:
  static Tensor value(kernels::Loss f, const Tensor& x, const Tensor& given, std::int64_t reduction,
                      const kernels::Params& params = {}, const Tensor& weight = {}) {
    const char* const where = Op::info.name;
    const Tensor& t = Op::fitted(given, x);
    check_pair(where, x, t);
    check_reduction(where, reduction);
    if (reduction != Reduction::None && !weight.defined()) {
      Tensor y = empty_tensor({}, x.scalar_type());
      kernels::loss_sum(f, y, x, t, params, reduction == Reduction::Mean ? static_cast<double>(x.numel()) : 1);
      if (reduction == Reduction::Sum || std::isfinite(y.item<double>())) [[likely]] {
        return y;
      }
      // The sum may have overflowed where the mean does not.
      Tensor each = empty_tensor_like(x, x.scalar_type());
      kernels::loss(f, each, x, t, params);
      return mean(each);
    }
    Tensor y = empty_tensor_like(x, x.scalar_type());
    kernels::loss(f, y, x, t, params);
    if (weight.defined()) {
      check_weight(where, "weight", weight, x);
      kernels::binary(functions::Mul{}, y, y, weight);
    }
    return reduce(where, y, reduction);
  }
  void keep(kernels::Loss f_, const Tensor& x_, const Tensor& t_, std::int64_t reduction_,
            const kernels::Params& params_ = {}, const Tensor& weight_ = {}) {
    x.save(x_);
    target.save(t_);
    if (weight_.defined()) {
      weight.save(weight_);
    }
    f = f_;
    params = params_;
    reduction = reduction_;
  }

 private:
  Tensor fused(const Tensor& dy, const Tensor& value, const Tensor& t, double divisor) const {
    Tensor dx = empty_tensor_like(value, value.scalar_type());
    kernels::loss_backward(f, dx, Cast(dy, value.scalar_type()), value, t, params, divisor);
    return dx;
  }
};

}  // namespace backflow::detail
