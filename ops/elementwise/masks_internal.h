#pragma once

// What gradients that are given piece by piece need: truth values off the tape, and choices by them on it.

#include <limits>

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tensor/scalar.h>

namespace backflow::detail {

using kernels::Comparison;
namespace functions = kernels::functions;

/// Where f(x, bound) holds.
inline Tensor where_holds(Comparison f, const Tensor& x, const Scalar& bound) {
  Tensor mask = empty_result_like(x, kBool);
  kernels::compare(f, mask, x, bound);
  return mask;
}

/// Where both hold, and where one does not.
inline Tensor both(const Tensor& a, const Tensor& b) {
  Tensor mask = empty_result_like(a, kBool);
  kernels::compare(functions::And{}, mask, a, b);
  return mask;
}
inline Tensor opposite(const Tensor& a) {
  Tensor mask = empty_result_like(a, kBool);
  kernels::test(kernels::functions::IsZero{}, mask, a);
  return mask;
}

/// The slope of |x|: sign(x), which knows no NaN, with NaN where x is.
inline Tensor slope_of_abs(const Tensor& x) {
  return masked_fill(sign(x), isnan(x.detach()), std::numeric_limits<double>::quiet_NaN());
}

/// a where `mask` holds, else b; recorded. Of the other's NaN and infinities nothing is left.
inline Tensor choose(const Tensor& mask, const Tensor& a, const Tensor& b) {
  return relu_backward(a, mask) + relu_backward(b, opposite(mask));
}

}  // namespace backflow::detail
