// Powers, the logarithm that their gradient needs, and the angle of two coordinates.
#include <backflow/ops/elementwise_internal.h>
#include <backflow/ops/numbers_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// `v` with ones where x = 0 and f(w, 0) holds, of the shape and dtype of dy; no gradient flows from these. There, a
/// gradient is 0 by definition while its formula is not finite.
Tensor ones_where_zero(const Tensor& v, const Tensor& x, Binary f, const Tensor& w, const Tensor& dy) {
  const ScalarType dtype = dy.scalar_type();
  const Tensor x_is_zero = empty_tensor_like(x, dtype);
  kernels::binary(Binary::Equal, x_is_zero, Cast(x, dtype), 0);
  const Tensor w_holds = empty_tensor_like(w, dtype);
  kernels::binary(f, w_holds, Cast(w, dtype), 0);
  const Tensor replaced = empty_tensor_like(dy, dtype);
  kernels::binary(Binary::Mul, replaced, x_is_zero, w_holds);
  const Tensor kept = empty_tensor_like(dy, dtype);
  kernels::binary(Binary::Sub, kept, 1, replaced);
  return relu_backward(v, kept) + replaced;
}

struct Pow : BinaryOperator<Pow, Binary::Pow> {
  static constexpr OperatorInfo info = {
      .name = "pow",
      .signature = "pow(Tensor self, Tensor exponent) -> Tensor",
      .formula = "y = x^w;  dx = dy w x^(w-1), 0 for 0^0, dw = dy y log(x), 0 where x = 0 and w >= 0",
      .doc =
          "Power, broadcast; the dtypes are promoted. Integers wrap, and to a negative power they are cut towards "
          "zero.",
      .dtypes = kNumericDtypes,
      .node = "PowBackward1",
      .inplace = "pow_(Tensor self, Tensor exponent) -> Tensor",
  };
  SavedTensor x;
  SavedTensor w;
  SavedTensor y;
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const Tensor& y_) {
    save_geometry(x_, w_, y_);
    x.save(x_);
    w.save(w_);
    if (needs[1]) {
      y.save_output(y_);
    }
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      const Tensor base = ones_where_zero(b(x), b(x), Binary::Equal, b(w), b.dy());
      b.dx(0) = to_x(b.dy() * (b(w) * pow(base, b(w) - 1)));
    }
    if (b.wants(1)) {
      const Tensor base = ones_where_zero(b(x), b(x), Binary::GreaterEqual, b(w), b.dy());
      b.dx(1) = to_w(b.dy() * xlogy(b(y), base));
    }
  }
};

struct PowScalar : ScalarOperator<PowScalar, Binary::Pow> {
  static constexpr OperatorInfo info = {
      .name = "pow",
      .signature = "pow(Tensor self, Scalar exponent) -> Tensor",
      .formula = "y = x^c;  dx = dy c x^(c-1)",
      .doc = "Power with a number as exponent. An Error for integers to a negative one.",
      .dtypes = kAnyDtype,
      .node = "PowBackward0",
      .inplace = "pow_(Tensor self, Scalar exponent) -> Tensor",
  };
  SavedTensor x;
  Scalar exponent;
  static Tensor forward(const Tensor& x, const Scalar& exponent) {
    const ScalarType common = dtype(x, exponent);
    Tensor y = empty_tensor_like(x, common);
    forward_into(y, Cast(x, common), exponent);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& exponent) {
    if (dtype(x, exponent) != y.scalar_type()) {
      return false;
    }
    if (exponent.to<double>() == 2) {
      kernels::binary(Binary::Mul, y, x, x);
    } else if (exponent.to<double>() == 1) {
      kernels::copy(y, x);
    } else {
      check(y.is_floating_point() || exponent.to<double>() >= 0, "pow: ", describe(x), " to the power ",
            exponent.to<double>(), ": need a floating-point tensor; to(kFloat32) gives one");
      if (!y.is_floating_point()) {
        check_number(info.name, exponent, y.scalar_type());
      }
      kernels::binary(Binary::Pow, y, x, exponent);
    }
    return true;
  }
  void save(Needs, const Tensor& x_, const Scalar& number, const Tensor&) {
    x_dtype = x_.scalar_type();
    x.save(x_);
    exponent = number;
  }
  void backward(Backward& b) const {
    const auto c = exponent.to<double>();
    if (c == 0) {
      b.dx(0) = zeros_like(b(x));
    } else {
      b.dx(0) = to_x(b.dy() * ((c == 2 ? b(x) : pow(b(x), c - 1)) * c));
    }
  }
};

struct PowOfScalar {
  static constexpr OperatorInfo info = {
      .name = "pow",
      .signature = "pow(Scalar input, Tensor exponent) -> Tensor",
      .formula = "y = c^w;  dw = dy y log(c)",
      .doc = "Power of a number.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Scalar& base, const Tensor& exponent) {
    return pow(operand_beside(info.name, exponent, base), exponent);
  }
};

struct Atan2 : BinaryOperator<Atan2, Binary::Atan2, true> {
  static constexpr OperatorInfo info = {
      .name = "atan2",
      .signature = "atan2(Tensor self, Tensor other) -> Tensor",
      .formula = "y = the angle of the point (w, x);  dx = dy w / (x^2 + w^2), dw = -dy x / (x^2 + w^2)",
      .doc = "Arc tangent of x / w in radians, in the quadrant of (w, x); broadcast. Integers give float32.",
      .dtypes = kAnyDtype,
      .node = "Atan2Backward0",
      .inplace = "atan2_(Tensor self, Tensor other) -> Tensor",
  };
  SavedTensor x;
  SavedTensor w;
  void save(Needs, const Tensor& x_, const Tensor& w_, const Tensor& y) {
    save_geometry(x_, w_, y);
    x.save(x_);
    w.save(w_);
  }
  void backward(Backward& b) const {
    const Tensor scaled = b.dy() / (b(x) * b(x) + b(w) * b(w));
    if (b.wants(0)) {
      b.dx(0) = to_x(scaled * b(w));
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(neg(scaled) * b(x));
    }
  }
};

struct Xlogy : BinaryOperator<Xlogy, Binary::Xlogy, true> {
  static constexpr OperatorInfo info = {
      .name = "xlogy",
      .signature = "xlogy(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x log(w), 0 where x = 0;  dx = dy log(w), 0 where x = 0 and w <= 0, dw = dy x / w",
      .doc = "x log(w) with 0 log(0) = 0, broadcast; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "XlogyBackward0",
      .inplace = "xlogy_(Tensor self, Tensor other) -> Tensor",
  };
  SavedTensor x;
  SavedTensor w;
  void save(Needs, const Tensor& x_, const Tensor& w_, const Tensor& y) {
    save_geometry(x_, w_, y);
    x.save(x_);
    w.save(w_);
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(xlogy(b.dy(), ones_where_zero(b(w), b(x), Binary::LessEqual, b(w), b.dy())));
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(b.dy() * (b(x) / b(w)));
    }
  }
};

}  // namespace

#include <backflow/ops/powers_functions.inc>

OperatorFamily powers_operators() { return family<Pow, PowScalar, PowOfScalar, Xlogy, Atan2>("powers"); }

}  // namespace backflow
