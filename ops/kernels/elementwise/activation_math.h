// Activation functions of vectors and their gradients; compiled once for each instruction set.
#if defined(BACKFLOW_ACTIVATION_MATH_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_ACTIVATION_MATH_TOGGLE
#undef BACKFLOW_ACTIVATION_MATH_TOGGLE
#else
#define BACKFLOW_ACTIVATION_MATH_TOGGLE
#endif

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/elementwise/vector_erf.h>
#include <backflow/ops/kernels/elementwise/vector_functions.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

/// factor / (1 + e^-x), from e^-|x|, which does not overflow. Where x is NaN, NaN only if the factor is.
template <class D, class V>
HWY_INLINE V share(D d, V factor, V x) {
  const V one = number(d, 1);
  const V e = exp_of_negative(d, hn::Neg(hn::Abs(x)));
  const V numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(factor, e), factor);
  return hn::Div(numerator, hn::Add(one, e));
}

/// The same, NaN where x is.
template <class D, class V>
HWY_INLINE V times_sigmoid(D d, V factor, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, share(d, factor, x));
}

template <class D, class V>
HWY_INLINE V sigmoid_of(D d, V x) {
  return times_sigmoid(d, number(d, 1), x);
}

inline constexpr double kRootOfTwoByPi = 0.79788456080286536;

/// 2 sqrt(2 / pi) (x + 0.044715 x^3), of gelu's approximation x (1 + tanh(u / 2)) / 2 = x sigmoid(u) (Hendrycks and
/// Gimpel, 2016).
template <class D, class V>
HWY_INLINE V gelu_argument(D d, V x) {
  const V factor = number(d, 2 * kRootOfTwoByPi);
  return hn::Mul(x, hn::MulAdd(hn::Mul(x, x), number(d, 2 * kRootOfTwoByPi * 0.044715), factor));
}

/// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2); 1 in the type's precision from 20 on; anything for NaN.
template <class D, class V>
HWY_INLINE V tanh_of_softplus(D d, V x) {
  const V two = number(d, 2);
  const V e = exp_of_negative(d, hn::Min(x, number(d, 20)));
  const V n = hn::Mul(e, hn::Add(e, two));
  return hn::Div(n, hn::Add(n, two));
}

/// log(1 + e^x) for x <= 0.
template <class D, class V>
HWY_INLINE V log1p_exp(D d, V x) {
  return log1p_of(d, exp_of_negative(d, x));
}

template <Unary kF, class D, class V>
HWY_INLINE V activation(D d, V x, const hn::TFromD<D>* params) {
  const V zero = hn::Zero(d);
  if constexpr (kF == Unary::Sigmoid) {
    return sigmoid_of(d, x);
  } else if constexpr (kF == Unary::LeakyRelu) {
    return hn::IfThenElse(hn::Gt(x, zero), x, hn::Mul(x, hn::Set(d, params[0])));
  } else if constexpr (kF == Unary::Elu) {
    const V right = hn::Mul(x, hn::Set(d, params[1]));
    const auto positive = hn::Gt(x, zero);
    if (hn::AllTrue(d, positive)) {
      return right;
    }
    const V left = hn::Mul(expm1_of(d, hn::Mul(x, hn::Set(d, params[2]))), hn::Set(d, params[0]));
    return hn::IfThenElse(positive, right, left);
  } else if constexpr (kF == Unary::Gelu) {
    return hn::Mul(at_least_lowest(d, x), normal(d, x).probability);
  } else if constexpr (kF == Unary::GeluTanh) {
    return share(d, at_least_lowest(d, x), gelu_argument(d, x));
  } else if constexpr (kF == Unary::Silu) {
    return share(d, at_least_lowest(d, x), x);
  } else if constexpr (kF == Unary::Mish) {
    return hn::Mul(at_least_lowest(d, x), tanh_of_softplus(d, x));
  } else if constexpr (kF == Unary::Softplus) {
    const V beta = hn::Set(d, params[0]);
    const V scaled = hn::Mul(x, beta);
    const V y = hn::Div(hn::Add(hn::Max(scaled, zero), log1p_exp(d, hn::Neg(hn::Abs(scaled)))), beta);
    return hn::IfThenElse(hn::Or(hn::Gt(scaled, hn::Set(d, params[1])), hn::IsNaN(x)), x, y);
  } else if constexpr (kF == Unary::LogSigmoid) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Sub(hn::Min(x, zero), log1p_exp(d, hn::Neg(hn::Abs(x)))));
  } else if constexpr (kF == Unary::Hardshrink) {
    return hn::IfThenZeroElse(hn::Le(hn::Abs(x), hn::Set(d, params[0])), x);
  } else if constexpr (kF == Unary::Softshrink) {
    const V width = hn::Set(d, params[0]);
    return hn::IfThenZeroElse(hn::Le(hn::Abs(x), width), hn::Sub(x, hn::CopySign(width, x)));
  } else if constexpr (kF == Unary::Threshold) {
    return hn::IfThenElse(hn::Le(x, hn::Set(d, params[0])), hn::Set(d, params[1]), x);
  } else if constexpr (kF == Unary::Hardsigmoid) {
    const V kept = hn::Min(hn::Max(hn::Add(x, number(d, 3)), zero), number(d, 6));
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Div(kept, number(d, 6)));
  } else {
    static_assert(kF == Unary::Hardswish);
    const V factor = hn::Max(x, number(d, -3));
    const V y = hn::Div(hn::Mul(factor, hn::Min(hn::Add(factor, number(d, 3)), number(d, 6))), number(d, 6));
    return hn::IfThenElse(hn::Le(x, number(d, 1e30)), y, x);  // six times a large number is infinite
  }
}

/// The slope of gelu's approximation y s with s = sigmoid(u): s + x s (1 - s) du/dx. Beyond 100, s is 0 or 1.
template <class D, class V>
HWY_INLINE V gelu_tanh_slope(D d, V y) {
  const V s = sigmoid_of(d, gelu_argument(d, y));
  const V x = hn::Min(hn::Max(y, number(d, -100)), number(d, 100));
  const V slope = hn::MulAdd(hn::Mul(x, x), number(d, 6 * kRootOfTwoByPi * 0.044715), number(d, 2 * kRootOfTwoByPi));
  return hn::MulAdd(hn::Mul(hn::Mul(x, s), hn::Sub(number(d, 1), s)), slope, s);
}

/// dx, from dy and the forward's operand x.
template <Binary kF, class D, class V>
HWY_INLINE V activation_gradient(D d, V dy, V x, const hn::TFromD<D>* params) {
  const V zero = hn::Zero(d);
  const V one = number(d, 1);
  if constexpr (kF == Binary::LeakyReluBackward) {
    return hn::IfThenElse(hn::Gt(x, zero), dy, hn::Mul(dy, hn::Set(d, params[0])));
  } else if constexpr (kF == Binary::EluBackward) {
    const V left = hn::Mul(exp_of(d, hn::Mul(x, hn::Set(d, params[2]))), hn::Set(d, params[0] * params[2]));
    return hn::Mul(dy, hn::IfThenElse(hn::Le(x, zero), left, hn::Set(d, params[1])));
  } else if constexpr (kF == Binary::GeluBackward) {
    const auto [density, probability] = normal(d, x);
    return hn::Mul(dy, hn::MulAdd(finite(d, x), density, probability));
  } else if constexpr (kF == Binary::GeluTanhBackward) {
    return hn::Mul(dy, gelu_tanh_slope(d, x));
  } else if constexpr (kF == Binary::SiluBackward) {
    const V s = share(d, one, x);
    return hn::Mul(dy, hn::Mul(s, hn::MulAdd(finite(d, x), hn::Sub(one, s), one)));
  } else if constexpr (kF == Binary::MishBackward) {
    const V t = tanh_of_softplus(d, x);
    return hn::Mul(dy, hn::MulAdd(hn::Mul(finite(d, x), share(d, one, x)), hn::NegMulAdd(t, t, one), t));
  } else if constexpr (kF == Binary::SoftplusBackward) {
    const V scaled = hn::Mul(x, hn::Set(d, params[0]));
    return hn::IfThenElse(hn::Gt(scaled, hn::Set(d, params[1])), dy, hn::Mul(dy, sigmoid_of(d, scaled)));
  } else if constexpr (kF == Binary::LogSigmoidBackward) {
    return hn::Mul(dy, sigmoid_of(d, hn::Neg(x)));
  } else if constexpr (kF == Binary::ClampBackward) {
    return hn::IfThenElseZero(hn::And(hn::Ge(x, hn::Set(d, params[0])), hn::Le(x, hn::Set(d, params[1]))), dy);
  } else if constexpr (kF == Binary::HardtanhBackward) {
    return hn::IfThenElse(hn::Or(hn::Le(x, hn::Set(d, params[0])), hn::Ge(x, hn::Set(d, params[1]))), zero, dy);
  } else if constexpr (kF == Binary::HardsigmoidBackward) {
    return hn::IfThenElseZero(hn::Lt(hn::Abs(x), number(d, 3)), hn::Div(dy, number(d, 6)));
  } else if constexpr (kF == Binary::ShrinkBackward) {
    return hn::IfThenZeroElse(hn::Le(hn::Abs(x), hn::Set(d, params[0])), dy);
  } else if constexpr (kF == Binary::ThresholdBackward) {
    return hn::IfThenZeroElse(hn::Le(x, hn::Set(d, params[0])), dy);
  } else {
    static_assert(kF == Binary::HardswishBackward);
    const V middle = hn::Mul(dy, hn::Add(hn::Div(x, number(d, 3)), number(d, 0.5)));
    const V right = hn::IfThenElse(hn::Le(x, number(d, 3)), middle, dy);
    return hn::IfThenElse(hn::Lt(x, number(d, -3)), zero, right);
  }
}

/// Activations with two operands.
template <Binary kF, class D, class V>
HWY_INLINE V gated(D d, V a, V b) {
  const V zero = hn::Zero(d);
  if constexpr (kF == Binary::Prelu) {
    return hn::IfThenElse(hn::Gt(a, zero), a, hn::Mul(b, a));
  } else if constexpr (kF == Binary::PreluWeightBackward) {
    return hn::IfThenZeroElse(hn::Gt(b, zero), hn::Mul(a, b));
  } else {
    static_assert(kF == Binary::Glu);
    return times_sigmoid(d, a, b);
  }
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
