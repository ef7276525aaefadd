// Activations made of straight pieces.
#include <backflow/ops/elementwise/bounds_internal.h>
#include <backflow/ops/elementwise/fused_gradient_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// Numbers kept within two bounds; those of integers are cut to whole numbers.
struct HardtanhOperator {
  SavedTensor x;
  kernels::Params bounds;

  static bool write(const char* name, const Tensor& y, const Tensor& x, const Scalar& min, const Scalar& max) {
    check(x.scalar_type() != kBool, name, ": dtype bool: need numbers; to(kInt64) gives them");
    const bool is_whole = !x.is_floating_point();
    const auto [lower, upper] =
        held_bounds(name, y.scalar_type(), is_whole ? whole(name, min) : min, is_whole ? whole(name, max) : max);
    keep_within(y, x, lower, upper);
    return true;
  }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    b.dx(0) = GradMode::is_enabled()
                  ? relu_backward(b.dy(), both(opposite(where_holds(functions::LessEqual{}, value, bounds[0])),
                                               opposite(where_holds(functions::GreaterEqual{}, value, bounds[1]))))
                  : fused_gradient(functions::HardtanhBackward{}, b.dy(), value, bounds);
  }

 private:
  static Scalar whole(const char* name, const Scalar& bound) { return bound.to<std::int64_t>(name); }
};

struct Hardtanh : HardtanhOperator {
  static constexpr OperatorInfo info = {
      .signature = "hardtanh(Tensor input, Scalar min_val=-1, Scalar max_val=1) -> Tensor",
      .formula = "y = min(max(x, lower), upper);  dx = dy where lower < x < upper, else 0",
      .doc = "Clamps x to two bounds, in its dtype; NaN stays NaN. An Error for bool and uint8.",
      .dtypes = {kInt32, kInt64, kBFloat16, kFloat32, kFloat64},
      .node = "HardtanhBackward0",
      .inplace = "hardtanh_(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& min, const Scalar& max) {
    Tensor y = empty_tensor_like(x, x.scalar_type());
    forward_into(y, x, min, max);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& min, const Scalar& max) {
    check(x.scalar_type() != kUInt8, "hardtanh: dtype u8: need signed numbers; clamp() takes bytes");
    return write(info.name, y, x, min, max);
  }
  void save(Needs, const Tensor& x_, const Scalar& min, const Scalar& max, const Tensor&) {
    x.save(x_);
    bounds = {min.toDouble(), max.toDouble()};
  }
};

struct Relu6 : HardtanhOperator {
  static constexpr OperatorInfo info = {
      .signature = "relu6(Tensor input) -> Tensor",
      .formula = "y = min(max(x, 0), 6);  dx = dy where 0 < x < 6, else 0",
      .doc = "Rectified linear unit with an upper bound; every dtype but bool.",
      .dtypes = kNumericDtypes,
      .node = "HardtanhBackward0",
      .inplace = "relu6_(Tensor self) -> Tensor",
  };
  static Tensor forward(const Tensor& x) {
    Tensor y = empty_tensor_like(x, x.scalar_type());
    forward_into(y, x);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x) { return write(info.name, y, x, 0, 6); }
  void save(Needs, const Tensor& x_, const Tensor&) {
    x.save(x_);
    bounds = {0, 6};
  }
};

struct Hardsigmoid : Activation<Hardsigmoid, functions::Hardsigmoid, functions::HardsigmoidBackward> {
  static constexpr OperatorInfo info = {
      .signature = "hardsigmoid(Tensor input) -> Tensor",
      .formula = "y = min(max(x + 3, 0), 6) / 6;  dx = dy / 6 where |x| < 3, else 0",
      .doc = "Piecewise linear sigmoid; floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "HardsigmoidBackward0",
      .inplace = "hardsigmoid_(Tensor self) -> Tensor",
  };
  Tensor recorded(const Tensor& dy, const Tensor& value) const {
    return relu_backward(dy / 6,
                         both(where_holds(functions::Greater{}, value, -3), where_holds(functions::Less{}, value, 3)));
  }
};

struct Hardswish : Activation<Hardswish, functions::Hardswish, functions::HardswishBackward> {
  static constexpr OperatorInfo info = {
      .signature = "hardswish(Tensor input) -> Tensor",
      .formula = "y = x min(max(x + 3, 0), 6) / 6;  dx = 0 where x < -3, dy where x > 3, else dy (x / 3 + 1 / 2)",
      .doc = "silu with a piecewise linear sigmoid (Howard et al., 2019); floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "HardswishBackward0",
      .inplace = "hardswish_(Tensor self) -> Tensor",
  };
  Tensor recorded(const Tensor& dy, const Tensor& value) const {
    const Tensor right = choose(where_holds(functions::LessEqual{}, value, 3), dy * (value / 3 + 0.5), dy);
    return relu_backward(right, opposite(where_holds(functions::Less{}, value, -3)));
  }
};

/// What hardshrink and softshrink have in common: no gradient near 0.
template <class Op, class F>
struct Shrink : Activation<Op, F, functions::ShrinkBackward> {
  using Base = Activation<Op, F, functions::ShrinkBackward>;
  static Tensor forward(const Tensor& x, const Scalar& width) {
    check(width.toDouble() >= 0, Op::info.name, ": lambda ", width.toDouble(), ": need a number >= 0");
    check_number(Op::info.name, width, x.scalar_type());
    return Base::result(x, {rounded_to(x.scalar_type(), width.toDouble())});
  }
  void save(Needs, const Tensor& x_, const Scalar& width, const Tensor&) {
    Base::keep(x_, {rounded_to(x_.scalar_type(), width.toDouble())});
  }
  Tensor recorded(const Tensor& dy, const Tensor& value) const {
    return relu_backward(dy, opposite(both(where_holds(functions::LessEqual{}, value, this->params[0]),
                                           where_holds(functions::GreaterEqual{}, value, -this->params[0]))));
  }
};

struct Hardshrink : Shrink<Hardshrink, functions::Hardshrink> {
  static constexpr OperatorInfo info = {
      .signature = "hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
      .formula = "y = 0 where |x| <= lambda, else x;  dx = 0 where |x| <= lambda, else dy",
      .doc = "Sets numbers within lambda of 0 to 0; lambda >= 0, floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "HardshrinkBackward0",
  };
};

struct Softshrink : Shrink<Softshrink, functions::Softshrink> {
  static constexpr OperatorInfo info = {
      .signature = "softshrink(Tensor input, Scalar lambd=0.5) -> Tensor",
      .formula = "y = 0 where |x| <= lambda, else x - lambda sign(x);  dx = 0 where |x| <= lambda, else dy",
      .doc = "Moves x towards 0 by lambda; lambda >= 0, floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "SoftshrinkBackward0",
  };
};

struct Threshold {
  static constexpr OperatorInfo info = {
      .signature = "threshold(Tensor input, Scalar threshold, Scalar value) -> Tensor",
      .formula = "y = value where x <= threshold, else x;  dx = 0 where x <= threshold, else dy",
      .doc = "Replaces numbers up to a threshold by a value. Every dtype but bool; the numbers are converted to it.",
      .dtypes = kNumericDtypes,
      .node = "ThresholdBackward0",
      .inplace = "threshold_(Tensor self, Scalar threshold, Scalar value) -> Tensor",
  };
  SavedTensor x;
  double threshold_;
  static Tensor forward(const Tensor& x, const Scalar& threshold, const Scalar& value) {
    Tensor y = empty_tensor_like(x, x.scalar_type());
    forward_into(y, x, threshold, value);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& threshold, const Scalar& value) {
    check(x.scalar_type() != kBool, "threshold: dtype bool: need numbers; to(kInt64) gives them");
    check_number(info.name, threshold, x.scalar_type());
    check_number(info.name, value, x.scalar_type());
    if (x.is_floating_point()) {
      kernels::unary(functions::Threshold{}, y, x,
                     {rounded_to(x.scalar_type(), threshold.toDouble()), value.toDouble()});
    } else {
      const Tensor low = where_holds(functions::LessEqual{}, x, threshold.toLong());
      Tensor number = empty_tensor({}, x.scalar_type());
      kernels::fill(number, value);
      kernels::where(y, low, number, x);
    }
    return true;
  }
  void save(Needs, const Tensor& x_, const Scalar& threshold, const Scalar&, const Tensor&) {
    x.save(x_);
    threshold_ = rounded_to(x_.scalar_type(), threshold.toDouble());
  }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    b.dx(0) = GradMode::is_enabled()
                  ? relu_backward(b.dy(), opposite(where_holds(functions::LessEqual{}, value, threshold_)))
                  : fused_gradient(functions::ThresholdBackward{}, b.dy(), value, {threshold_});
  }
};

}  // namespace

#include <backflow/ops/hard_activations_functions.inc>

OperatorFamily hard_activations_operators() {
  return family<Hardtanh, Relu6, Hardsigmoid, Hardswish, Hardshrink, Softshrink, Threshold>("hard_activations");
}

}  // namespace backflow
