// Copies, conversions and constants.
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow {
namespace {

using Needs = std::span<const bool>;

struct Clone {
  static constexpr OperatorInfo info = {
      .signature = "clone(Tensor self) -> Tensor",
      .formula = "y = x;  dx = dy",
      .doc = "A row-major copy with storage of its own.",
      .dtypes = kAnyDtype,
      .node = "CloneBackward0",
  };
  static Tensor forward(const Tensor& x) {
    Tensor y = empty_tensor_like(x, x.scalar_type());
    kernels::copy(y, x);
    return y;
  }
  void save(Needs, const Tensor&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = b.dy(); }
};

struct Contiguous {
  static constexpr OperatorInfo info = {
      .signature = "contiguous(Tensor self) -> Tensor",
      .formula = "y = x",
      .doc = "The tensor itself when it is row-major, else a clone.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x) { return x.is_contiguous() ? x : clone(x); }
};

struct ToCopy {
  static constexpr OperatorInfo info = {
      .signature = "to_copy(Tensor input, ScalarType dtype) -> Tensor",
      .formula = "y = x converted to a dtype;  dx = dy converted back",
      .doc = "Always a row-major copy. Fractions are truncated for integers, as in C++.",
      .dtypes = kAnyDtype,
      .node = "ToCopyBackward0",
  };
  ScalarType x_dtype;
  static Tensor forward(const Tensor& x, ScalarType dtype) {
    Tensor y = empty_tensor_like(x, dtype);
    kernels::copy(y, x);
    return y;
  }
  void save(Needs, const Tensor& x, ScalarType, const Tensor&) { x_dtype = x.scalar_type(); }
  void backward(Backward& b) const { b.dx(0) = to(b.dy(), x_dtype); }
};

struct ToDtype {
  static constexpr OperatorInfo info = {
      .signature = "to(Tensor self, ScalarType dtype) -> Tensor",
      .formula = "y = x converted to a dtype",
      .doc = "The tensor itself when it has that dtype already, else to_copy.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, ScalarType dtype) { return x.scalar_type() == dtype ? x : to_copy(x, dtype); }
};

struct Copy {
  static constexpr OperatorInfo info = {
      .signature = "copy(Tensor input, Tensor src) -> Tensor",
      .formula = "y = w, with the sizes and dtype of x;  dw = dy summed to the sizes of w, dx = 0",
      .doc = "The values of src, broadcast and converted to the tensor's shape and dtype.",
      .dtypes = kAnyDtype,
      .node = "CopyBackwards",
      .inplace = "copy_(Tensor self, Tensor src) -> Tensor",
  };
  DimVector w_sizes;
  ScalarType w_dtype;
  static Tensor forward(const Tensor& x, const Tensor& w) {
    Tensor y = empty_tensor_like(x, x.scalar_type());
    kernels::copy(y, expand(w, x.sizes()));
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor&, const Tensor& w) {
    if (y.is_alias_of(w)) {
      return false;  // the two may overlap
    }
    kernels::copy(y, expand(w, y.sizes()));
    return true;
  }
  void save(Needs, const Tensor&, const Tensor& w, const Tensor&) {
    w_sizes = w.sizes();
    w_dtype = w.scalar_type();
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return zeros_like(b.dy()); });
    b.set_dx(1, [&] { return to(sum_to_size(b.dy(), w_sizes), w_dtype); });
  }
};

struct ZerosLike {
  static constexpr OperatorInfo info = {
      .signature = "zeros_like(Tensor input) -> Tensor",
      .formula = "y = 0",
      .doc = "Zeros with the sizes and dtype of the operand; never recorded.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x) {
    Tensor y = empty_tensor_like(x, x.scalar_type());
    kernels::fill(y, 0);
    return y;
  }
};

struct Zero : ZeroGradient {
  static constexpr OperatorInfo info = {
      .signature = "zero(Tensor input) -> Tensor",
      .formula = "y = 0;  dx = 0",
      .doc = "zeros_like as a recorded operator: what zero_ puts on the tape.",
      .dtypes = kAnyDtype,
      .node = "ZeroBackward0",
      .inplace = "zero_(Tensor self) -> Tensor",
  };
  static Tensor forward(const Tensor& x) { return ZerosLike::forward(x); }
  static bool forward_into(const Tensor& y, const Tensor&) {
    kernels::fill(y, 0);
    return true;
  }
};

struct FullLike {
  static constexpr OperatorInfo info = {
      .signature = "full_like(Tensor input, Scalar fill_value) -> Tensor",
      .formula = "y = c",
      .doc = "A tensor of one number with the sizes and dtype of the operand; never recorded.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, const Scalar& value) {
    check_number(info.name, value, x.scalar_type());
    Tensor y = empty_tensor_like(x, x.scalar_type());
    kernels::fill(y, value);
    return y;
  }
};

struct Fill : ZeroGradient {
  static constexpr OperatorInfo info = {
      .signature = "fill(Tensor input, Scalar value) -> Tensor",
      .formula = "y = c;  dx = 0",
      .doc = "full_like as a recorded operator: what fill_ puts on the tape.",
      .dtypes = kAnyDtype,
      .node = "FillBackward0",
      .inplace = "fill_(Tensor self, Scalar value) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& value) { return FullLike::forward(x, value); }
  static bool forward_into(const Tensor& y, const Tensor&, const Scalar& value) {
    kernels::fill(y, value);
    return true;
  }
};

}  // namespace

#include <backflow/ops/copies_functions.inc>

OperatorFamily copies_operators() {
  return family<Clone, Contiguous, ToCopy, ToDtype, Copy, ZerosLike, Zero, FullLike, Fill>("copies");
}

}  // namespace backflow
