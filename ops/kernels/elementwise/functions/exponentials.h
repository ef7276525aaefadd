// Exponentials and logarithms.
#ifndef BACKFLOW_FUNCTIONS_EXPONENTIALS
#define BACKFLOW_FUNCTIONS_EXPONENTIALS

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Exp : OfReals {};
struct Expm1 : OfReals {};
struct Exp2 : OfReals {};
struct Log : OfReals {};
struct Log1p : OfReals {};
struct Log2 : OfReals {};
struct Log10 : OfReals {};
struct Logit : OfReals {};  ///< of x within params[0] and 1 - params[0], or of x itself where params[0] < 0

using UnaryExponentials = List<Exp, Expm1, Exp2, Log, Log1p, Log2, Log10, Logit>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Exp> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return exp_of(d, x);
  }
};

template <>
struct VectorForm<functions::Expm1> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return expm1_of(d, x);
  }
};

template <>
struct VectorForm<functions::Exp2> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return by_lane(d, x, x, [](auto a, auto) { return std::exp2(a); });
  }
};

template <>
struct VectorForm<functions::Log> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return log_of(d, x);
  }
};

template <>
struct VectorForm<functions::Log1p> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    return log1p_of(d, x);
  }
};

/// Exact for powers of two.
template <>
struct VectorForm<functions::Log2> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    const auto [m, e] = split(d, x);
    return with_poles(d, x, hn::MulAdd(hn::Log(d, m), number(d, 1.4426950408889634), e));
  }
};

template <>
struct VectorForm<functions::Log10> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x) {
    constexpr bool kSingle = sizeof(hn::TFromD<D>) == 4;
    // log10(2) in two parts, of which e times the first is exact.
    constexpr double kHigh = kSingle ? 0x1.344p-2 : 3.01029995663611771306e-01;
    constexpr double kLow = kSingle ? 0.30102999566398120 - kHigh : 3.69423907715893078616e-13;
    const auto [m, e] = split(d, x);
    const V low = hn::MulAdd(hn::Log(d, m), number(d, 0.43429448190325183), hn::Mul(e, number(d, kLow)));
    return with_poles(d, x, hn::MulAdd(e, number(d, kHigh), low));
  }
};

template <>
struct VectorForm<functions::Logit> {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>* params, V x) {
    const V one = number(d, 1);
    const V low = hn::Set(d, params[0]);
    const V inner =
        hn::IfThenElse(hn::Lt(x, low), low, hn::IfThenElse(hn::Gt(x, hn::Sub(one, low)), hn::Sub(one, low), x));
    const V kept = hn::IfThenElse(hn::Ge(low, hn::Zero(d)), inner, x);
    return log_of(d, hn::Div(kept, hn::Sub(one, kept)));
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
