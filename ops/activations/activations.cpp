// Activations that are smooth, but for leaky_relu and elu at most.
#include <numbers>

#include <backflow/ops/elementwise/fused_gradient_internal.h>
#include <backflow/ops/elementwise/guarded_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// x within bounds beyond which the smooth activations are 0 or x in every dtype: products with infinities are NaN.
Tensor settled(const Tensor& x) { return clamp(x, -1000, 1000); }

struct LeakyRelu : Activation<LeakyRelu, functions::LeakyRelu, functions::LeakyReluBackward> {
  static constexpr OperatorInfo info = {
      .signature = "leaky_relu(Tensor input, Scalar negative_slope=0.01) -> Tensor",
      .formula = "y = x where x > 0, else c x;  dx = dy where x > 0, else c dy",
      .doc = "Rectified linear unit with a slope below zero; floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "LeakyReluBackward0",
      .inplace = "leaky_relu_(Tensor self, Scalar negative_slope=0.01) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& slope) { return result(x, {slope.toDouble()}); }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& slope) {
    return write(y, x, {slope.toDouble()});
  }
  void save(Needs, const Tensor& x_, const Scalar& slope, const Tensor&) { keep(x_, {slope.toDouble()}); }
  Tensor recorded(const Tensor& dy, const Tensor& value) const {
    return choose(where_holds(functions::Greater{}, value, 0), dy, dy * params[0]);
  }
};

struct Elu : Activation<Elu, functions::Elu, functions::EluBackward> {
  static constexpr OperatorInfo info = {
      .signature = "elu(Tensor input, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor",
      .formula = "y = s x where x > 0, else s a (e^(c x) - 1);  dx = s dy where x > 0, else s a c dy e^(c x)",
      .doc = "Exponential linear unit (Clevert et al., 2016); floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "EluBackward0",
      .inplace = "elu_(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& alpha, const Scalar& scale, const Scalar& input_scale) {
    return result(x, factors(alpha, scale, input_scale));
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& alpha, const Scalar& scale,
                           const Scalar& input_scale) {
    return write(y, x, factors(alpha, scale, input_scale));
  }
  void save(Needs, const Tensor& x_, const Scalar& alpha, const Scalar& scale, const Scalar& input_scale,
            const Tensor&) {
    keep(x_, factors(alpha, scale, input_scale));
  }
  Tensor recorded(const Tensor& dy, const Tensor& value) const {
    const Tensor left = exp(clamp_max(value, 0) * params[2]) * (params[0] * params[2]);  // cannot overflow
    return choose(where_holds(functions::LessEqual{}, value, 0), dy * left, dy * params[1]);
  }

 private:
  static kernels::Params factors(const Scalar& alpha, const Scalar& scale, const Scalar& input_scale) {
    return {alpha.toDouble() * scale.toDouble(), scale.toDouble(), input_scale.toDouble()};
  }
};

struct Selu {
  static constexpr OperatorInfo info = {
      .signature = "selu(Tensor input) -> Tensor",
      .formula = "y = elu(x, 1.6733, 1.0507)",
      .doc = "Scaled exponential linear unit (Klambauer et al., 2017); floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .inplace = "selu_(Tensor self) -> Tensor",
  };
  static constexpr double kAlpha = 1.6732632423543772848170429916717;
  static constexpr double kScale = 1.0507009873554804934193349852946;
  static Tensor forward(const Tensor& x) {
    check_has(info.name, functions::Elu{}, x.scalar_type());
    return elu(x, kAlpha, kScale);
  }
  static bool forward_into(const Tensor& y, const Tensor& x) {
    check_has(info.name, functions::Elu{}, x.scalar_type());
    return Elu::forward_into(y, x, kAlpha, kScale, 1);
  }
};

struct Gelu {
  static constexpr OperatorInfo info = {
      .signature = "gelu(Tensor input, *, str approximate='none') -> Tensor",
      .formula =
          "y = x P(x) with the normal distribution P, for 'tanh' y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / "
          "2;  dx = dy (P(x) + x P'(x))",
      .doc =
          "Gaussian error linear unit (Hendrycks and Gimpel, 2016), accurate in its tail too; floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "GeluBackward0",
      .inplace = "gelu_(Tensor self, *, str approximate='none') -> Tensor",
  };
  SavedTensor x;
  bool exact = true;
  static Tensor forward(const Tensor& x, std::string_view approximate) {
    Tensor y = empty_tensor_like(x, x.scalar_type());
    forward_into(y, x, approximate);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, std::string_view approximate) {
    check(approximate == "none" || approximate == "tanh", "gelu: approximate '", approximate,
          "': need 'none' or 'tanh'");
    check_has(info.name, functions::Gelu{}, x.scalar_type());
    kernels::unary(approximate == "none" ? kernels::Unary(functions::Gelu{}) : functions::GeluTanh{}, y, x);
    return true;
  }
  void save(Needs, const Tensor& x_, std::string_view approximate, const Tensor&) {
    x.save(x_);
    exact = approximate == "none";
  }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    if (!GradMode::is_enabled()) {
      b.dx(0) = fused_gradient(exact ? kernels::Binary(functions::GeluBackward{}) : functions::GeluTanhBackward{},
                               b.dy(), value, {});
    } else {
      b.dx(0) = b.dy() * (exact ? slope(value) : slope_of_approximation(value));
    }
  }

 private:
  static Tensor slope(const Tensor& value) {
    const Tensor x = settled(value);
    const Tensor probability = erfc(x * -std::numbers::sqrt2 / 2) * 0.5;
    const Tensor density = exp(x * x * -0.5) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
    return probability + x * density;
  }
  /// y = x s with s = sigmoid(u), since (1 + tanh(u / 2)) / 2 is that.
  static Tensor slope_of_approximation(const Tensor& value) {
    const Tensor x = settled(value);
    const double linear = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
    const Tensor cubic = x * x * (linear * 0.044715);
    const Tensor s = sigmoid(x * (cubic + linear));
    return s + x * s * (1 - s) * (cubic * 3 + linear);
  }
};

struct Silu : Activation<Silu, functions::Silu, functions::SiluBackward> {
  static constexpr OperatorInfo info = {
      .signature = "silu(Tensor input) -> Tensor",
      .formula = "y = x s with s = sigmoid(x);  dx = dy s (1 + x (1 - s))",
      .doc = "Sigmoid linear unit, also called swish; floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "SiluBackward0",
      .inplace = "silu_(Tensor self) -> Tensor",
  };
  Tensor recorded(const Tensor& dy, const Tensor& value) const {
    const Tensor kept = settled(value);
    const Tensor s = sigmoid(kept);
    return dy * (s * (kept * (1 - s) + 1));
  }
};

struct Mish : Activation<Mish, functions::Mish, functions::MishBackward> {
  static constexpr OperatorInfo info = {
      .signature = "mish(Tensor input) -> Tensor",
      .formula = "y = x t with t = tanh(softplus(x));  dx = dy (t + x sigmoid(x) (1 - t^2))",
      .doc = "Mish (Misra, 2019); floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "MishBackward0",
      .inplace = "mish_(Tensor self) -> Tensor",
  };
  Tensor recorded(const Tensor& dy, const Tensor& value) const {
    const Tensor kept = settled(value);
    const Tensor t = tanh(softplus(kept));
    return dy * (t + kept * sigmoid(kept) * (1 - t * t));
  }
};

struct Softplus : Activation<Softplus, functions::Softplus, functions::SoftplusBackward> {
  static constexpr OperatorInfo info = {
      .signature = "softplus(Tensor input, Scalar beta=1, Scalar threshold=20) -> Tensor",
      .formula = "y = log(1 + e^(c x)) / c, x where c x > threshold;  dx = dy sigmoid(c x), dy where c x > threshold",
      .doc = "Smooth rectified linear unit; floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "SoftplusBackward0",
  };
  static Tensor forward(const Tensor& x, const Scalar& beta, const Scalar& threshold) {
    return result(x, {beta.toDouble(), threshold.toDouble()});
  }
  void save(Needs, const Tensor& x_, const Scalar& beta, const Scalar& threshold, const Tensor&) {
    keep(x_, {beta.toDouble(), threshold.toDouble()});
  }
  Tensor recorded(const Tensor& dy, const Tensor& value) const {
    const Tensor scaled = value * params[0];
    return choose(where_holds(functions::Greater{}, scaled, params[1]), dy, dy * sigmoid(scaled));
  }
};

struct LogSigmoid : Activation<LogSigmoid, functions::LogSigmoid, functions::LogSigmoidBackward> {
  static constexpr OperatorInfo info = {
      .signature = "log_sigmoid(Tensor input) -> Tensor",
      .formula = "y = -log(1 + e^-x);  dx = dy sigmoid(-x)",
      .doc = "Logarithm of the sigmoid, without overflow; floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "LogSigmoidBackward0",
  };
  Tensor recorded(const Tensor& dy, const Tensor& value) const { return dy * sigmoid(neg(value)); }
};

struct Softsign : SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "softsign(Tensor input) -> Tensor",
      .formula = "y = x / (1 + |x|);  dx = dy / (1 + |x|)^2",
      .doc = "A smooth step from -1 to 1; integers give float32.",
      .dtypes = kNumericDtypes,
      .node = "SoftsignBackward0",
  };
  static Tensor forward(const Tensor& x) {
    check_has(info.name, functions::Abs{}, x.scalar_type());
    Tensor y = empty_tensor_like(x, floating(x.scalar_type()));
    kernels::unary(functions::Softsign{}, y, Cast(x, y.scalar_type()));
    return y;
  }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    if (GradMode::is_enabled()) {
      const Tensor divisor = abs(value) + 1;
      b.dx(0) = b.dy() / divisor / divisor;
    } else {
      b.dx(0) = guarded_gradient(functions::SoftsignBackward{}, b.dy(), value);
    }
  }
};

}  // namespace

#include <backflow/ops/activations_functions.inc>

OperatorFamily activations_operators() {
  return family<LeakyRelu, Elu, Selu, Gelu, Silu, Mish, Softplus, LogSigmoid, Softsign>("activations");
}

}  // namespace backflow
