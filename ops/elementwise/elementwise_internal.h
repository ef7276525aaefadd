#pragma once

// What element-wise operators have in common: shapes, dtypes and the call of the kernel. Each adds its gradient.

#include <memory>
#include <span>
#include <utility>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/threads/deferred_work.h>

namespace backflow::detail {

namespace functions = kernels::functions;

using Needs = std::span<const bool>;

/// `x` converted to `dtype` off the tape, or a reference to x itself when it is of that dtype.
class Cast {
 public:
  Cast(const Tensor& x, ScalarType dtype) : x_(x) {
    if (x.scalar_type() != dtype) {
      converted_ = empty_tensor_like(x, dtype);
      kernels::copy(converted_, x);
    }
  }
  operator const Tensor&() const {  // NOLINT(google-explicit-constructor)
    return converted_.defined() ? converted_ : x_;
  }

 private:
  const Tensor& x_;
  Tensor converted_;
};

/// The dtype in which two tensors are combined: the larger one, but as in PyTorch a tensor without dimensions does not
/// raise the dtype of one of the same kind that has some.
inline ScalarType common_dtype(const Tensor& x, const Tensor& w) {
  if ((x.dim() == 0) == (w.dim() == 0)) {
    return promote_types(x.scalar_type(), w.scalar_type());
  }
  return x.dim() == 0 ? promote_weak(w.scalar_type(), x.scalar_type()) : promote_weak(x.scalar_type(), w.scalar_type());
}

/// The dtype of a function that only floating-point numbers have.
inline ScalarType floating(ScalarType dtype) { return is_floating_point(dtype) ? dtype : kFloat32; }

/// The gradient `dx` of an operand of these sizes and dtype: summed over what was broadcast, cast back.
inline Tensor reduce_to(Tensor dx, IntArrayRef sizes, ScalarType dtype) {
  Tensor out = dx.sizes() == sizes ? std::move(dx) : sum_to_size(dx, sizes);
  return out.scalar_type() == dtype ? out : to(out, dtype);
}

/// Of an operand: the sizes and the dtype that its gradient must have.
class OperandGeometry {
 public:
  /// `y` is the result, whose sizes most operands have.
  void save(const Tensor& x, const Tensor& y) {
    dtype_ = x.scalar_type();
    if (x.sizes() != y.sizes()) {
      broadcast_from_ = std::make_unique<DimVector>(x.sizes());
    }
  }
  /// The gradient of the operand from `dx`, that of the operand broadcast.
  Tensor reduce(Tensor dx) const {
    if (broadcast_from_ == nullptr && dx.scalar_type() == dtype_) {
      return dx;
    }
    const DimVector sizes = broadcast_from_ == nullptr ? DimVector(dx.sizes()) : *broadcast_from_;
    return reduce_to(std::move(dx), sizes, dtype_);
  }

 private:
  std::unique_ptr<DimVector> broadcast_from_;  // null when that is the result's shape
  ScalarType dtype_ = kFloat32;
};

/// True when `y` may be written while `x` is read: they share no memory, or are the very same elements.
inline bool may_overwrite(const Tensor& y, const Tensor& x) {
  return !y.is_alias_of(x) || (y.const_data_ptr() == x.const_data_ptr() && y.scalar_type() == x.scalar_type() &&
                               y.sizes() == x.sizes() && y.strides() == x.strides());
}

/// A row-major tensor for a result that this thread may defer.
Tensor deferred_tensor(IntArrayRef sizes, ScalarType dtype);

/// Whether kernels over tensors like x may be deferred: bfloat16 is converted by each kernel.
inline bool may_defer_like(const Tensor& x) { return may_defer(x.numel()) && x.scalar_type() != kBFloat16; }

/// A row-major tensor of these sizes for the result of an element-wise kernel, which may be deferred. `x` is an operand
/// that mostly has these sizes.
inline Tensor empty_result(IntArrayRef sizes, ScalarType dtype, const Tensor& x) {
  return may_defer_like(x) ? deferred_tensor(sizes, dtype) : empty_tensor(sizes, dtype);
}

/// The same with the sizes of `x`.
inline Tensor empty_result_like(const Tensor& x, ScalarType dtype) {
  return may_defer_like(x) ? deferred_tensor(x.sizes(), dtype) : empty_tensor_like(x, dtype);
}

/// The result of `kernel(y, x)`, an element-wise one; in the channel blocks of x when that is kept in any.
template <class Kernel>
Tensor compute_like(ScalarType dtype, const Kernel& kernel, const Tensor& x) {
  if (kernels::may_be_blocked(x)) [[unlikely]] {
    if (Tensor y = kernels::elementwise_in_blocks(dtype, {&x},
                                                  [&](const Tensor& to, const Tensor* from) { kernel(to, from[0]); });
        y.defined()) {
      return y;
    }
  }
  Tensor y = empty_result_like(x, dtype);
  kernel(y, x);
  return y;
}

/// The same of `kernel(y, x, w)`; x has the shape of the result.
template <class Kernel>
Tensor compute_like(ScalarType dtype, const Kernel& kernel, const Tensor& x, const Tensor& w) {
  if (kernels::may_be_blocked(x) || kernels::may_be_blocked(w)) [[unlikely]] {
    if (Tensor y = kernels::elementwise_in_blocks(
            dtype, {&x, &w}, [&](const Tensor& to, const Tensor* from) { kernel(to, from[0], from[1]); });
        y.defined()) {
      return y;
    }
  }
  Tensor y = empty_result_like(x, dtype);
  kernel(y, x, w);
  return y;
}

/// Calls `kernel(y, x)`, an element-wise one that may be called in place; on channel blocks when y is kept in any.
template <class Kernel>
void compute_into(const Tensor& y, const Kernel& kernel, const Tensor& x) {
  if (!kernels::may_be_blocked(y) ||
      !kernels::elementwise_into_blocks({&y, &x}, [&](const Tensor* of) { kernel(of[0], of[1]); })) [[likely]] {
    kernel(y, x);
  }
}

/// The same of `kernel(y, x, w)`.
template <class Kernel>
void compute_into(const Tensor& y, const Kernel& kernel, const Tensor& x, const Tensor& w) {
  if (!kernels::may_be_blocked(y) || !kernels::elementwise_into_blocks({&y, &x, &w}, [&](const Tensor* of) {
        kernel(of[0], of[1], of[2]);
      })) [[likely]] {
    kernel(y, x, w);
  }
}

/// Throws Error, for operator `name`, unless numbers of this dtype have function f, a Unary or a Binary.
template <class Function>
void check_has_function(const char* name, Function f, ScalarType dtype) {
  if (dtype < kFloat32) {
    check(kernels::has(f, dtype), name, ": dtype ", short_name(dtype), ": need ",
          dtype == kBool && kernels::has(f, kInt64) ? "numbers; to(kInt64) gives them"
                                                    : "floating-point numbers; to(kFloat32) gives them");
  }
}
inline void check_has(const char* name, kernels::Unary f, ScalarType dtype) { check_has_function(name, f, dtype); }
inline void check_has(const char* name, kernels::Binary f, ScalarType dtype) { check_has_function(name, f, dtype); }

/// Shapes, dtypes and the kernel of `y = f(x, w)` with broadcasting; `Op` adds the gradient.
template <class Op, class F, bool kFloating = false>
struct BinaryOperator {
  OperandGeometry x_geometry;
  OperandGeometry w_geometry;

  static DimVector shape(const Tensor& x, const Tensor& w) {
    return broadcast_shapes(Op::info.name, x.sizes(), w.sizes());
  }
  static ScalarType dtype(const Tensor& x, const Tensor& w) {
    const ScalarType common = common_dtype(x, w);
    return kFloating ? floating(common) : common;
  }

  static Tensor forward(const Tensor& x, const Tensor& w) {
    const ScalarType common = dtype(x, w);
    check_has(Op::info.name, F{}, common);
    const auto kernel = [](const Tensor& y, const Tensor& a, const Tensor& b) { kernels::binary(F{}, y, a, b); };
    if (x.sizes() == w.sizes()) {
      return compute_like(common, kernel, Cast(x, common), Cast(w, common));
    }
    Tensor y = empty_result(shape(x, w), common, x);
    kernel(y, Cast(x, common), Cast(w, common));
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& w) {
    if (!fits(y, x, w)) {
      return false;
    }
    check_has(Op::info.name, F{}, y.scalar_type());
    compute_into(
        y, [](const Tensor& to, const Tensor& a, const Tensor& b) { kernels::binary(F{}, to, a, b); }, x,
        Cast(w, y.scalar_type()));
    return true;
  }

 protected:
  /// True when `y`, whose shape is that of x, may become f(x, w) in place.
  static bool fits(const Tensor& y, const Tensor& x, const Tensor& w) {
    return may_overwrite(y, w) && dtype(x, w) == y.scalar_type() &&
           (w.sizes() == y.sizes() || shape(x, w) == DimVector(y.sizes()));
  }
  void save_geometry(const Tensor& x, const Tensor& w, const Tensor& y) {
    x_geometry.save(x, y);
    w_geometry.save(w, y);
  }
  Tensor to_x(Tensor dx) const { return x_geometry.reduce(std::move(dx)); }
  Tensor to_w(Tensor dw) const { return w_geometry.reduce(std::move(dw)); }
};

/// The same for `y = f(x, number)`.
template <class Op, class F, bool kFloating = false>
struct ScalarOperator {
  ScalarType x_dtype;

  static ScalarType dtype(const Tensor& x, const Scalar& number) {
    const ScalarType common = result_type(x.scalar_type(), number);
    return kFloating ? floating(common) : common;
  }
  static Tensor forward(const Tensor& x, const Scalar& number) {
    const ScalarType common = dtype(x, number);
    check_has(Op::info.name, F{}, common);
    return compute_like(
        common, [&](const Tensor& y, const Tensor& a) { kernels::binary(F{}, y, a, number); }, Cast(x, common));
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& number) {
    if (dtype(x, number) != y.scalar_type()) {
      return false;
    }
    check_has(Op::info.name, F{}, y.scalar_type());
    compute_into(
        y, [&](const Tensor& to, const Tensor& a) { kernels::binary(F{}, to, a, number); }, x);
    return true;
  }

 protected:
  Tensor to_x(Tensor dx) const { return dx.scalar_type() == x_dtype ? dx : to(dx, x_dtype); }
};

/// The same for `y = f(x)` on floating-point numbers.
template <class F>
struct UnaryOperator {
  static Tensor forward(const Tensor& x) {
    const ScalarType dtype = floating(x.scalar_type());
    return compute_like(
        dtype, [](const Tensor& y, const Tensor& a) { kernels::unary(F{}, y, a); }, Cast(x, dtype));
  }
  static bool forward_into(const Tensor& y, const Tensor& x) {
    if (!y.is_floating_point()) {
      return false;
    }
    compute_into(
        y, [](const Tensor& to, const Tensor& a) { kernels::unary(F{}, to, a); }, x);
    return true;
  }
};

/// The same for functions that integers have too.
template <class Op, class F>
struct NumericOperator {
  static Tensor forward(const Tensor& x) {
    check_has(Op::info.name, F{}, x.scalar_type());
    return compute_like(
        x.scalar_type(), [](const Tensor& y, const Tensor& a) { kernels::unary(F{}, y, a); }, x);
  }
  static bool forward_into(const Tensor& y, const Tensor& x) {
    check_has(Op::info.name, F{}, x.scalar_type());
    compute_into(
        y, [](const Tensor& to, const Tensor& a) { kernels::unary(F{}, to, a); }, x);
    return true;
  }
};

/// What the backward of a function of one operand needs: the operand.
struct SavesOperand {
  SavedTensor x;
  void save(Needs, const Tensor& x_, const Tensor&) { x.save(x_); }
};

/// What the backward of a product needs: each operand, for the gradient of the other one.
struct SavesFactors {
  SavedTensor x;
  SavedTensor w;
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const auto&...) {
    if (needs[1]) {
      x.save(x_);
    }
    if (needs[0]) {
      w.save(w_);
    }
  }
};

/// What the backward of a function of one operand needs, where that is the result.
struct SavesResult {
  SavedTensor y;
  void save(Needs, const Tensor&, const Tensor& y_) { y.save_output(y_); }
};

}  // namespace backflow::detail
