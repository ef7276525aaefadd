#pragma once

// Bounds for the numbers of a tensor, which its dtype need not hold.

#include <cmath>
#include <optional>
#include <utility>

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow::detail {

using Bound = std::optional<Scalar>;

/// The number as elements of a floating-point dtype are compared with it: rounded to one, or infinite beyond them.
inline double rounded_to(ScalarType dtype, double number) {
  return dtype == kBFloat16  ? static_cast<float>(static_cast<BFloat16>(number))
         : dtype == kFloat32 ? static_cast<float>(number)
                             : number;
}

/// The bounds as numbers of `dtype`, of which a lower one is applied first: one that no number of the dtype lies beyond
/// is dropped, as 300 above uint8. Throws Error, which `where` starts, where a bound itself would be a result that the
/// dtype can't hold.
inline std::pair<Bound, Bound> held_bounds(const char* where, ScalarType dtype, Bound lower, Bound upper) {
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int above = upper ? beyond<T>(*upper) : 1;
    if (lower && above == 0 && beyond<T>(*lower) > 0) {
      lower = upper;  // what was raised to the lower bound is lowered to the upper one
    }
    const int below = lower ? beyond<T>(*lower) : -1;
    if (above < 0) [[unlikely]] {
      fail_as<T>(where, *upper);
    }
    if (below > 0) [[unlikely]] {
      fail_as<T>(where, *lower);
    }
    return std::pair(below == 0 ? lower : Bound(), above == 0 ? upper : Bound());
  });
}

/// y = min(max(x, lower), upper), of bounds that y's dtype holds (held_bounds); NaN where a bound is.
inline void keep_within(const Tensor& y, const Tensor& x, const Bound& lower, const Bound& upper) {
  const auto is_number = [](const Bound& bound) { return bound && !std::isnan(bound->toDouble()); };
  if (y.is_floating_point() && is_number(lower) && is_number(upper)) {
    kernels::unary(kernels::functions::Clamp{}, y, x, {lower->toDouble(), upper->toDouble()});
    return;
  }
  if (lower) {
    kernels::binary(kernels::functions::Maximum{}, y, x, *lower);
  }
  if (upper) {
    kernels::binary(kernels::functions::Minimum{}, y, lower ? y : x, *upper);
  }
  if (!lower && !upper && !y.is_alias_of(x)) {
    kernels::copy(y, x);
  }
}

}  // namespace backflow::detail
