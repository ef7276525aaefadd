#pragma once

#include <cstdint>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// How numbers are combined into one. A maximum or minimum with NaN is NaN; sums and products of integers wrap.
enum class Fold { Sum, Prod, Max, Min };

/// What is done to each number before.
enum class Map {
  None,     ///< converted to the dtype of y
  NonZero,  ///< 1 or 0
  Abs,
  Square,
  AbsPower,  ///< |x|^power
};

// Of the functions below, `reduced` has one flag per dimension of x. x may have any strides; it is walked in the order
// of its memory. y is contiguous and has the sizes of the dimensions that are left, in order, with or without
// those of size 1. How the work is cut into pieces depends on sizes and strides alone.

/// y = the fold of map(x) over the marked dimensions; over nothing 0, 1, for
/// floating-point numbers an infinity, or the truth value that changes none. y is computed in its
/// own dtype: uint8 (bool), int32, int64, float32 or float64; Sum and Prod take the last three alone. Sums are blocked:
/// their rounding error grows with the logarithm of the number of terms.
void fold(Fold f, Map map, const Tensor& y, const Tensor& x, const DimVector& reduced, double power = 0);

/// The mean, and the sum of the squared deviations from it, over the marked dimensions, which must not be empty; x is
/// floating-point, mean and m2 are float64.
void moments(const Tensor& mean, const Tensor& m2, const Tensor& x, const DimVector& reduced);

/// The largest (or smallest, for Fold::Min) number along one dimension, and the index of the first such, or of the
/// first NaN. `values`, which may be undefined, has the dtype of x; `indices` is int64; both are contiguous.
/// The dimension must not be empty.
void extreme(Fold f, const Tensor& values, const Tensor& indices, const Tensor& x, std::size_t dim);

}  // namespace backflow::kernels
