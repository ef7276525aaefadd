// Activations with two operands.
#ifndef BACKFLOW_FUNCTIONS_GATES
#define BACKFLOW_FUNCTIONS_GATES

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Prelu : OfReals {};                ///< of x and the slope w: w x up to 0, x above
struct PreluWeightBackward : OfReals {};  ///< of dy and x: the gradient of the slope
struct PreluBackward : OfReals {};        ///< of dy, x and the slope w: w dy where x is up to 0, dy where it is above
struct Glu : OfReals {};                  ///< a sigmoid(b)
struct GluBackward : OfReals {};          ///< of dy, a and b: the gradient dy a s (1 - s) of b, with s = sigmoid(b)

using BinaryGates = List<Prelu, PreluWeightBackward, Glu>;
using TernaryGates = List<PreluBackward, GluBackward>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Prelu> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V x, V w) {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(w, x));
  }
};

template <>
struct VectorForm<functions::PreluWeightBackward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V x) {
    return hn::IfThenZeroElse(hn::Gt(x, hn::Zero(d)), hn::Mul(dy, x));
  }
};

template <>
struct VectorForm<functions::PreluBackward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V x, V w) {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), dy, hn::Mul(w, dy));
  }
};

template <>
struct VectorForm<functions::Glu> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return times_sigmoid(d, a, b);
  }
};

template <>
struct VectorForm<functions::GluBackward> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V dy, V a, V b) {
    const V s = sigmoid_of(d, b);
    return hn::Mul(hn::Mul(dy, a), hn::Mul(s, hn::Sub(number(d, 1), s)));
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
