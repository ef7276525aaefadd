#pragma once

// Numbers whose squares, or sums, overflow or vanish although the result does not: how a result shows it, and the units
// in which it is computed again. What results are looked at is small beside what was reduced, so that ordinary numbers
// pay nothing.

#include <backflow/ops/reductions/reduction_internal.h>

namespace backflow::detail {

/// Magnitudes from `least` to `most`.
struct Magnitudes {
  double least;
  double most;
};

/// The magnitudes that a dtype, float32 or float64 (bfloat16 is computed in float32), is asked about.
struct Limits {
  double largest;       ///< its largest number
  Magnitudes sums;      ///< sums of terms of which none that counts has overflowed or lost digits
  Magnitudes factors;   ///< products and quotients of two are normal numbers
  Magnitudes variance;  ///< and so are the cubes of its root, which gradients of normalizations have
  Magnitudes rstd;      ///< the same of 1 / its root
};
const Limits& limits_of(ScalarType dtype);

/// Whether the magnitudes of all elements lie within the bounds; NaN does not.
bool all_within(const Tensor& x, Magnitudes bounds);
/// Whether all elements are 0 or factors of which products and quotients are normal numbers.
bool are_factors(const Tensor& x);
/// Whether 1 / sqrt(variance + eps) can be used as it is, in `dtype`, for values and gradients.
bool is_usable(const Tensor& variance, double eps, ScalarType dtype);
/// The same for r = 1 / sqrt(variance + eps) itself.
bool is_usable_rstd(const Tensor& r, ScalarType dtype);

/// Where |x| lies within the bounds, as a bool tensor.
Tensor where_within(const Tensor& x, Magnitudes bounds);
/// Whether a result over the marked dimensions is not kept, says the bool tensor, although its elements are finite and
/// not all 0.
bool is_any_lost(const Tensor& kept, const Tensor& x, const DimVector& flags);

/// The largest |x| over the marked dimensions, which stay with size 1, for Fold::Min the smallest; 1 in the place of 0,
/// infinity and NaN. In the dtype in which x is computed, off the tape.
Tensor extent_of(const Tensor& x, const DimVector& flags, Fold f = Fold::Max);
/// Powers of two by which x can be divided without rounding, so that the largest |x| / unit over the marked dimensions
/// is in [1, 2); no unit is much below `at_least`. In the dtype of x, off the tape.
Tensor unit_of(const Tensor& x, const DimVector& flags, double at_least = 0);

/// The dimensions that are marked.
DimVector dims_of(const DimVector& flags);

}  // namespace backflow::detail
