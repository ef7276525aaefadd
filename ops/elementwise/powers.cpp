// Powers, the logarithm that their gradient needs, and the angle and the length of two coordinates.
#include <limits>

#include <backflow/ops/elementwise/guarded_internal.h>
#include <backflow/ops/elementwise/numbers_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// `v` with ones where x = 0 and f(w, 0) holds, of the shape and dtype of dy; no gradient flows from these. There, a
/// gradient is 0 by definition while its formula is not finite.
Tensor ones_where_zero(const Tensor& v, const Tensor& x, kernels::Binary f, const Tensor& w, const Tensor& dy) {
  const ScalarType dtype = dy.scalar_type();
  const Tensor x_is_zero = empty_result_like(x, dtype);
  kernels::binary(functions::Equal{}, x_is_zero, Cast(x, dtype), 0);
  const Tensor w_holds = empty_result_like(w, dtype);
  kernels::binary(f, w_holds, Cast(w, dtype), 0);
  const Tensor replaced = empty_result_like(dy, dtype);
  kernels::binary(functions::Mul{}, replaced, x_is_zero, w_holds);
  const Tensor kept = empty_result_like(dy, dtype);
  kernels::binary(functions::Sub{}, kept, 1, replaced);
  return relu_backward(v, kept) + replaced;
}

/// f(dy, x, w) off the tape, in the shape of dy.
Tensor guarded_gradient(kernels::Ternary f, const Tensor& dy, const Tensor& x, const Tensor& w) {
  Tensor dx = empty_result_like(dy, dy.scalar_type());
  kernels::ternary(f, dx, dy, Cast(x, dy.scalar_type()), Cast(w, dy.scalar_type()));
  return dx;
}

struct Pow : BinaryOperator<Pow, functions::Pow> {
  static constexpr OperatorInfo info = {
      .signature = "pow(Tensor self, Tensor exponent) -> Tensor",
      .formula = "y = x^w;  dx = dy w x^(w-1), 0 for 0^0, dw = dy y log(x), 0 where x = 0 and w >= 0",
      .doc =
          "Power, broadcast; the dtypes are promoted. Integers wrap; with a negative exponent the result is truncated.",
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
    const bool records = GradMode::is_enabled();
    b.set_dx(0, [&] {
      return to_x(records ? recorded(b.dy(), b(x), b(w))
                          : guarded_gradient(functions::PowBackward{}, b.dy(), b(x), b(w)));
    });
    b.set_dx(1, [&] {
      return to_w(records ? recorded(b.dy(), b(x), b(w), b(y))
                          : guarded_gradient(functions::PowBackward1{}, b.dy(), b(y), b(x)));
    });
  }

 private:
  static Tensor recorded(const Tensor& dy, const Tensor& x, const Tensor& w) {
    const Tensor base = ones_where_zero(x, x, functions::Equal{}, w, dy);
    const Tensor exponent = clamp(w, -kLargest, kLargest);  // infinity times a power that is 0
    return dy * (exponent * pow(base, w - 1));
  }
  static Tensor recorded(const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& y) {
    return dy * xlogy(y, ones_where_zero(x, x, functions::GreaterEqual{}, w, dy));
  }
  static constexpr double kLargest = 1e38;  // that bfloat16 holds
};

struct PowScalar : ScalarOperator<PowScalar, functions::Pow> {
  static constexpr OperatorInfo info = {
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
    Tensor y = empty_result_like(x, common);
    forward_into(y, Cast(x, common), exponent);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& exponent) {
    if (dtype(x, exponent) != y.scalar_type()) {
      return false;
    }
    if (exponent.to<double>() == 2) {
      kernels::binary(functions::Mul{}, y, x, x);
    } else if (exponent.to<double>() == 1) {
      kernels::copy(y, x);
    } else {
      check(y.is_floating_point() || exponent.to<double>() >= 0, "pow: ", describe(x), " to the power ",
            exponent.to<double>(), ": need a floating-point tensor; to(kFloat32) gives one");
      if (!y.is_floating_point()) {
        check_number(info.name, exponent, y.scalar_type());
      }
      kernels::binary(functions::Pow{}, y, x, exponent);
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
      .signature = "pow(Scalar input, Tensor exponent) -> Tensor",
      .formula = "y = c^w;  dw = dy y log(c)",
      .doc = "Power of a number.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Scalar& base, const Tensor& exponent) {
    return pow(operand_beside(info.name, exponent, base), exponent);
  }
};

/// A function of two floating-point numbers whose backward needs both.
template <class Op, class F, bool kFloating = true>
struct FunctionOfTwo : BinaryOperator<Op, F, kFloating> {
  SavedTensor x;
  SavedTensor w;
  void save(Needs, const Tensor& x_, const Tensor& w_, const Tensor& y) {
    this->save_geometry(x_, w_, y);
    x.save(x_);
    w.save(w_);
  }
};

/// Two operands of an operator of dtype `dtype` divided by the larger one, whose squares can be taken; both are 0 at
/// the origin. Infinities count as the largest numbers.
struct InUnits {
  Tensor size;  ///< what they are divided by, 1 at the origin; no gradient flows through it
  Tensor x;
  Tensor w;

  InUnits(const Tensor& from, const Tensor& other, ScalarType dtype) {
    const double most = dtype == kFloat64 ? std::numeric_limits<double>::max() : 3e38;  // that all hold
    const Tensor kept = clamp(from, -most, most);
    const Tensor kept_other = clamp(other, -most, most);
    size = one_for_zero(maximum(abs(kept.detach()), abs(kept_other.detach())));
    x = kept / size;
    w = kept_other / size;
  }
  /// `divisor`, with 1 where it is 0.
  static Tensor one_for_zero(const Tensor& divisor) {
    return divisor + (divisor.detach() == 0).to(divisor.scalar_type());
  }
};

struct Atan2 : FunctionOfTwo<Atan2, functions::Atan2> {
  static constexpr OperatorInfo info = {
      .signature = "atan2(Tensor self, Tensor other) -> Tensor",
      .formula =
          "y = the angle of the point (w, x);  dx = dy w / (x^2 + w^2), dw = -dy x / (x^2 + w^2), 0 at the origin",
      .doc = "Arc tangent of x / w in radians, in the quadrant of (w, x); broadcast. Integers give float32.",
      .dtypes = kAnyDtype,
      .node = "Atan2Backward0",
      .inplace = "atan2_(Tensor self, Tensor other) -> Tensor",
  };
  void backward(Backward& b) const {
    b.set_dx(0, [&] {
      return to_x(GradMode::is_enabled() ? recorded(b.dy(), b(x), b(w))
                                         : guarded_gradient(functions::Atan2Backward{}, b.dy(), b(x), b(w)));
    });
    b.set_dx(1, [&] {
      return to_w(GradMode::is_enabled() ? neg(recorded(b.dy(), b(w), b(x)))
                                         : guarded_gradient(functions::Atan2Backward1{}, b.dy(), b(x), b(w)));
    });
  }

 private:
  /// dy w / (x^2 + w^2) of operands divided by the larger one; 0 at the origin.
  static Tensor recorded(const Tensor& dy, const Tensor& from, const Tensor& other) {
    const auto [size, x, w] = InUnits(from, other, dy.scalar_type());
    return dy * (w / InUnits::one_for_zero(x * x + w * w)) / size;
  }
};

struct Hypot : FunctionOfTwo<Hypot, functions::Hypot, false> {
  static constexpr OperatorInfo info = {
      .signature = "hypot(Tensor self, Tensor other) -> Tensor",
      .formula = "y = sqrt(x^2 + w^2);  dx = dy x / y, dw = dy w / y, 0 at the origin",
      .doc =
          "Length of the vector (x, w), without overflow or underflow of the squares; broadcast, floating-point "
          "dtypes. Infinite where an operand is.",
      .dtypes = kFloatingDtypes,
      .node = "HypotBackward0",
      .inplace = "hypot_(Tensor self, Tensor other) -> Tensor",
  };
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return to_x(slope(b.dy(), b(x), b(w))); });
    b.set_dx(1, [&] { return to_w(slope(b.dy(), b(w), b(x))); });
  }

 private:
  /// dy from / y, the gradient of `from`.
  static Tensor slope(const Tensor& dy, const Tensor& from, const Tensor& other) {
    if (!GradMode::is_enabled()) {
      return guarded_gradient(functions::HypotBackward{}, dy, from, other);
    }
    const auto [size, x, w] = InUnits(from, other, dy.scalar_type());
    return dy * (x / InUnits::one_for_zero(hypot(x, w)));  // units cancel out
  }
};

struct Xlogy : FunctionOfTwo<Xlogy, functions::Xlogy> {
  static constexpr OperatorInfo info = {
      .signature = "xlogy(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x log(w), 0 where x = 0;  dx = dy log(w), 0 where x = 0 and w <= 0, dw = dy x / w, 0 where x = 0",
      .doc = "x log(w) with 0 log(0) = 0, broadcast; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "XlogyBackward0",
      .inplace = "xlogy_(Tensor self, Tensor other) -> Tensor",
  };
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return to_x(xlogy(b.dy(), ones_where_zero(b(w), b(x), functions::LessEqual{}, b(w), b.dy()))); });
    b.set_dx(1, [&] {
      return to_w(GradMode::is_enabled()
                      ? b.dy() * (b(x) / ones_where_zero(b(w), b(x), functions::Equal{}, b(w), b.dy()))
                      : guarded_gradient(functions::XlogyBackward1{}, b.dy(), b(x), b(w)));
    });
  }
};

}  // namespace

#include <backflow/ops/powers_functions.inc>

OperatorFamily powers_operators() { return family<Pow, PowScalar, PowOfScalar, Xlogy, Atan2, Hypot>("powers"); }

}  // namespace backflow
