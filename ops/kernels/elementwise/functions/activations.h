// Activations that are smooth, but for relu, leaky_relu and elu.
#ifndef BACKFLOW_FUNCTIONS_ACTIVATIONS
#define BACKFLOW_FUNCTIONS_ACTIVATIONS

#include <algorithm>

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Relu : OfNumbers {
  template <class T>
  static T of(T x) {
    return std::max(x, T{0});
  }
};

struct Sigmoid : OfReals {};
struct LeakyRelu : OfReals {};  ///< slope params[0] below 0
struct Elu : OfReals {};        ///< params[0] (e^(params[2] x) - 1) up to 0, params[1] x above
struct Gelu : OfReals {};
struct GeluTanh : OfReals {};
struct Silu : OfReals {};
struct Mish : OfReals {};
struct Softplus : OfReals {};  ///< log(1 + e^(params[0] x)) / params[0]; x where params[0] x > params[1]
struct LogSigmoid : OfReals {};
struct Softsign : OfReals {};  ///< x / (1 + |x|)
struct Glu : OfReals {};       ///< a sigmoid(b)

struct ReluBackward : OfReals {};  ///< of dy and y, as the next one
struct SigmoidBackward : OfReals {};
struct LeakyReluBackward : OfReals {};  ///< this and all that follow: of dy and x, with the forward's params
struct EluBackward : OfReals {};
struct GeluBackward : OfReals {};
struct GeluTanhBackward : OfReals {};
struct SiluBackward : OfReals {};
struct MishBackward : OfReals {};
struct SoftplusBackward : OfReals {};
struct LogSigmoidBackward : OfReals {};
struct SoftsignBackward : OfReals {};
struct GluBackward : OfReals {};  ///< of dy, a and b: the gradient dy a s (1 - s) of b, with s = sigmoid(b)

using UnaryActivations =
    List<Relu, Sigmoid, LeakyRelu, Elu, Gelu, GeluTanh, Silu, Mish, Softplus, LogSigmoid, Softsign>;
using BinaryActivations =
    List<ReluBackward, SigmoidBackward, LeakyReluBackward, EluBackward, GeluBackward, GeluTanhBackward, SiluBackward,
         MishBackward, SoftplusBackward, LogSigmoidBackward, SoftsignBackward, Glu>;
using TernaryActivations = List<GluBackward>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

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

/// On x86 the maximum of two is the second when one of them is NaN, and + 0 makes 0 of -0. A comparison and a masked
/// move took 1.3 times as long on large tensors (EPYC with AVX-512, 2026-11-30).
HWY_INLINE auto form(functions::Relu, auto d, auto x) {
  if constexpr (HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR) {
    return hn::Add(hn::Max(hn::Zero(d), x), hn::Zero(d));
  } else {
    return where_positive(d, x, x);
  }
}
HWY_INLINE auto form(functions::Sigmoid, auto d, auto x) { return sigmoid_of(d, x); }

HWY_INLINE auto form(functions::LeakyRelu, auto d, const auto* params, auto x) {
  return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(x, hn::Set(d, params[0])));
}

template <class D, class V>
HWY_INLINE V form(functions::Elu, D d, const hn::TFromD<D>* params, V x) {
  const V right = hn::Mul(x, hn::Set(d, params[1]));
  const auto positive = hn::Gt(x, hn::Zero(d));
  if (hn::AllTrue(d, positive)) {
    return right;
  }
  const V left = hn::Mul(expm1_of(d, hn::Mul(x, hn::Set(d, params[2]))), hn::Set(d, params[0]));
  return hn::IfThenElse(positive, right, left);
}

HWY_INLINE auto form(functions::Gelu, auto d, auto x) {
  return hn::Mul(at_least_lowest(d, x), normal(d, x).probability);
}

HWY_INLINE auto form(functions::GeluTanh, auto d, auto x) {
  return share(d, at_least_lowest(d, x), gelu_argument(d, x));
}

HWY_INLINE auto form(functions::Silu, auto d, auto x) { return share(d, at_least_lowest(d, x), x); }
HWY_INLINE auto form(functions::Mish, auto d, auto x) { return hn::Mul(at_least_lowest(d, x), tanh_of_softplus(d, x)); }

template <class D, class V>
HWY_INLINE V form(functions::Softplus, D d, const hn::TFromD<D>* params, V x) {
  const V beta = hn::Set(d, params[0]);
  const V scaled = hn::Mul(x, beta);
  const V y = hn::Div(hn::Add(hn::Max(scaled, hn::Zero(d)), log1p_exp(d, hn::Neg(hn::Abs(scaled)))), beta);
  return hn::IfThenElse(hn::Or(hn::Gt(scaled, hn::Set(d, params[1])), hn::IsNaN(x)), x, y);
}

HWY_INLINE auto form(functions::LogSigmoid, auto d, auto x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Sub(hn::Min(x, hn::Zero(d)), log1p_exp(d, hn::Neg(hn::Abs(x)))));
}

template <class D, class V>
HWY_INLINE V form(functions::Softsign, D d, V x) {
  const V one = number(d, 1);
  const V a = hn::Abs(x);
  return hn::IfThenElse(hn::Eq(a, infinity(d)), hn::CopySign(one, x), hn::Div(x, hn::Add(a, one)));
}

HWY_INLINE auto form(functions::ReluBackward, auto d, auto dy, auto y) { return where_positive(d, dy, y); }

HWY_INLINE auto form(functions::SigmoidBackward, auto d, auto dy, auto y) {
  return hn::Mul(dy, hn::Mul(y, hn::Sub(number(d, 1), y)));
}

HWY_INLINE auto form(functions::LeakyReluBackward, auto d, const auto* params, auto dy, auto x) {
  return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), dy, hn::Mul(dy, hn::Set(d, params[0])));
}

template <class D, class V>
HWY_INLINE V form(functions::EluBackward, D d, const hn::TFromD<D>* params, V dy, V x) {
  const V left = hn::Mul(exp_of(d, hn::Mul(x, hn::Set(d, params[2]))), hn::Set(d, params[0] * params[2]));
  return hn::Mul(dy, hn::IfThenElse(hn::Le(x, hn::Zero(d)), left, hn::Set(d, params[1])));
}

template <class D, class V>
HWY_INLINE V form(functions::GeluBackward, D d, V dy, V x) {
  const auto [density, probability] = normal(d, x);
  return hn::Mul(dy, hn::MulAdd(finite(d, x), density, probability));
}

/// The slope of the approximation y = x s with s = sigmoid(u): s + x s (1 - s) du/dx. Beyond 100, s is 0 or 1.
template <class D, class V>
HWY_INLINE V form(functions::GeluTanhBackward, D d, V dy, V x) {
  const V s = sigmoid_of(d, gelu_argument(d, x));
  const V kept = hn::Min(hn::Max(x, number(d, -100)), number(d, 100));
  const V slope =
      hn::MulAdd(hn::Mul(kept, kept), number(d, 6 * kRootOfTwoByPi * 0.044715), number(d, 2 * kRootOfTwoByPi));
  return hn::Mul(dy, hn::MulAdd(hn::Mul(hn::Mul(kept, s), hn::Sub(number(d, 1), s)), slope, s));
}

template <class D, class V>
HWY_INLINE V form(functions::SiluBackward, D d, V dy, V x) {
  const V one = number(d, 1);
  const V s = share(d, one, x);
  return hn::Mul(dy, hn::Mul(s, hn::MulAdd(finite(d, x), hn::Sub(one, s), one)));
}

template <class D, class V>
HWY_INLINE V form(functions::MishBackward, D d, V dy, V x) {
  const V one = number(d, 1);
  const V t = tanh_of_softplus(d, x);
  return hn::Mul(dy, hn::MulAdd(hn::Mul(finite(d, x), share(d, one, x)), hn::NegMulAdd(t, t, one), t));
}

template <class D, class V>
HWY_INLINE V form(functions::SoftplusBackward, D d, const hn::TFromD<D>* params, V dy, V x) {
  const V scaled = hn::Mul(x, hn::Set(d, params[0]));
  return hn::IfThenElse(hn::Gt(scaled, hn::Set(d, params[1])), dy, hn::Mul(dy, sigmoid_of(d, scaled)));
}

HWY_INLINE auto form(functions::LogSigmoidBackward, auto d, auto dy, auto x) {
  return hn::Mul(dy, sigmoid_of(d, hn::Neg(x)));
}

/// The square of the divisor may overflow.
template <class D, class V>
HWY_INLINE V form(functions::SoftsignBackward, D d, V dy, V x) {
  const V divisor = hn::Add(hn::Abs(x), number(d, 1));
  return hn::Div(hn::Div(dy, divisor), divisor);
}

HWY_INLINE auto form(functions::Glu, auto d, auto a, auto b) { return times_sigmoid(d, a, b); }

template <class D, class V>
HWY_INLINE V form(functions::GluBackward, D d, V dy, V a, V b) {
  const V s = sigmoid_of(d, b);
  return hn::Mul(hn::Mul(dy, a), hn::Mul(s, hn::Sub(number(d, 1), s)));
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
