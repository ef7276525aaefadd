#pragma once

// What element-wise operators have in common: shapes, dtypes and the call of the kernel. Each adds its gradient.

#include <span>

#include <backflow/ops/kernels/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>

namespace backflow::detail {

using kernels::Binary;
using kernels::Unary;

/// `x` converted to `dtype` off the tape, or x itself.
inline Tensor cast(const Tensor& x, ScalarType dtype) {
  if (x.scalar_type() == dtype) {
    return x;
  }
  Tensor y = empty_tensor(x.sizes(), dtype);
  kernels::copy(y, x);
  return y;
}

/// The dtype of a function that only floating-point numbers have.
inline ScalarType floating(ScalarType dtype) { return is_floating_point(dtype) ? dtype : kFloat32; }

/// The gradient `dx` of an operand of these sizes and dtype: summed over what was broadcast, cast back.
inline Tensor reduce_to(const Tensor& dx, IntArrayRef sizes, ScalarType dtype) {
  Tensor out = dx.sizes() == sizes ? dx : sum_to_size(dx, sizes);
  return out.scalar_type() == dtype ? out : to(out, dtype);
}

/// True when `y` may be written while `x` is read: they share no memory, or are the very same elements.
inline bool may_overwrite(const Tensor& y, const Tensor& x) {
  return !y.is_alias_of(x) || (y.data_ptr() == x.data_ptr() && y.scalar_type() == x.scalar_type() &&
                               y.sizes() == x.sizes() && y.strides() == x.strides());
}

/// Shapes, dtypes and the kernel of `y = f(x, w)` with broadcasting; `Op` adds the gradient.
template <class Op, Binary kF, bool kFloating = false>
struct BinaryOperator {
  DimVector x_sizes;
  DimVector w_sizes;
  ScalarType x_dtype;
  ScalarType w_dtype;

  static DimVector shape(const Tensor& x, const Tensor& w) {
    return x.sizes() == w.sizes() ? DimVector(x.sizes()) : broadcast_shapes(Op::info.name, x.sizes(), w.sizes());
  }
  static ScalarType dtype(const Tensor& x, const Tensor& w) {
    // As in PyTorch, a tensor without dimensions does not raise the dtype of one of the same kind that has some.
    ScalarType common = promote_types(x.scalar_type(), w.scalar_type());
    const bool same_kind = x.is_floating_point() == w.is_floating_point();
    if (same_kind && (x.dim() == 0) != (w.dim() == 0)) {
      common = x.dim() == 0 ? w.scalar_type() : x.scalar_type();
    }
    return kFloating ? floating(common) : common;
  }

  static Tensor forward(const Tensor& x, const Tensor& w) {
    const ScalarType common = dtype(x, w);
    Tensor y = empty_tensor(shape(x, w), common);
    kernels::binary(kF, y, cast(x, common), cast(w, common));
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& w) {
    if (!may_overwrite(y, w) || dtype(x, w) != y.scalar_type() || shape(x, w) != DimVector(y.sizes())) {
      return false;
    }
    kernels::binary(kF, y, x, cast(w, y.scalar_type()));
    return true;
  }

 protected:
  void save_geometry(const Tensor& x, const Tensor& w) {
    x_sizes = x.sizes();
    w_sizes = w.sizes();
    x_dtype = x.scalar_type();
    w_dtype = w.scalar_type();
  }
  Tensor to_x(const Tensor& dx) const { return reduce_to(dx, x_sizes, x_dtype); }
  Tensor to_w(const Tensor& dw) const { return reduce_to(dw, w_sizes, w_dtype); }
};

/// The same for `y = f(x, number)`.
template <class Op, Binary kF, bool kFloating = false>
struct ScalarOperator {
  ScalarType x_dtype;

  static ScalarType dtype(const Tensor& x, const Scalar& number) {
    const ScalarType common = result_type(x.scalar_type(), number);
    return kFloating ? floating(common) : common;
  }
  static Tensor forward(const Tensor& x, const Scalar& number) {
    const ScalarType common = dtype(x, number);
    Tensor y = empty_tensor(x.sizes(), common);
    kernels::binary(kF, y, cast(x, common), number);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& number) {
    if (dtype(x, number) != y.scalar_type()) {
      return false;
    }
    kernels::binary(kF, y, x, number);
    return true;
  }

 protected:
  Tensor to_x(const Tensor& dx) const { return dx.scalar_type() == x_dtype ? dx : to(dx, x_dtype); }
};

/// The same for `y = f(x)` on floating-point numbers.
template <Unary kF>
struct UnaryOperator {
  static Tensor forward(const Tensor& x) {
    const ScalarType dtype = floating(x.scalar_type());
    Tensor y = empty_tensor(x.sizes(), dtype);
    kernels::unary(kF, y, cast(x, dtype));
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x) {
    if (!y.is_floating_point()) {
      return false;
    }
    kernels::unary(kF, y, x);
    return true;
  }
};

using Needs = std::span<const bool>;

}  // namespace backflow::detail
