#pragma once

// What gradients have in common in whose formulas squares may overflow: one kernel, or recorded operators.

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/operators.h>

namespace backflow::detail {

/// f(dy, x) off the tape.
inline Tensor guarded_gradient(kernels::Binary f, const Tensor& dy, const Tensor& x) {
  Tensor dx = empty_result_like(x, dy.scalar_type());
  kernels::binary(f, dx, dy, Cast(x, dy.scalar_type()));
  return dx;
}

/// A number whose square can be taken, and what x is a multiple of it by: x = near * times, and times is 1 up to 2^32.
/// There, x^2 + 1 is x^2.
struct NearAndTimes {
  Tensor near;
  Tensor times;

  explicit NearAndTimes(const Tensor& x) : near(clamp(x, -kFar, kFar)), times(clamp_min(abs(x), kFar) * (1 / kFar)) {}

  static constexpr double kFar = 0x1p32;
};

}  // namespace backflow::detail
