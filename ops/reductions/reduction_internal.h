#pragma once

// What operators that reduce dimensions have in common.

#include <cstdint>
#include <optional>
#include <span>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/reductions/reduce.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>

namespace backflow::detail {

using kernels::Fold;
using kernels::Map;
using Needs = std::span<const bool>;

enum class KeepDim { No, Yes };
inline KeepDim keep_if(bool keepdim) { return keepdim ? KeepDim::Yes : KeepDim::No; }

/// One flag per dimension of x: whether `dim` lists it; no list, or an empty one, means all. Throws Error, which
/// `where` starts, for a dimension that x does not have or that is listed twice.
DimVector reduced_dims(const char* where, const Tensor& x, OptionalIntArrayRef dim);
/// The same for all dimensions.
inline DimVector all_dims(const Tensor& x) { return DimVector(x.sizes().size(), 1); }
/// The sizes of x without the marked dimensions, or with size 1 in their places.
DimVector reduced_sizes(const Tensor& x, const DimVector& flags, KeepDim keep);

/// The dtype in which results of `dtype` are computed: float32 for bfloat16, else the same.
inline ScalarType computed(ScalarType dtype) { return dtype == kBFloat16 ? kFloat32 : dtype; }
/// The dtype of sums and products of x: int64 for integers, unless one is asked for.
inline ScalarType sum_dtype(const Tensor& x, std::optional<ScalarType> dtype) {
  return dtype.value_or(x.is_floating_point() ? x.scalar_type() : kInt64);
}

/// x, or x converted off the tape.
Tensor converted(const Tensor& x, ScalarType dtype);
/// The same, row-major.
Tensor dense(const Tensor& x, ScalarType dtype);
/// x converted on the tape where that changes anything.
inline Tensor cast(const Tensor& x, ScalarType dtype) { return x.scalar_type() == dtype ? x : to(x, dtype); }

/// The fold of map(x) over the marked dimensions, computed and given in `dtype`; off the tape.
Tensor fold(Fold f, Map map, const Tensor& x, const DimVector& flags, KeepDim keep, ScalarType dtype, double power = 0);
/// The sum or product, in `dtype`, to which elements are converted first.
Tensor fold_numbers(Fold f, const Tensor& x, const DimVector& flags, KeepDim keep, ScalarType dtype);

/// For each element of x its share, in the dtype of x, in the result y of the marked dimensions, which has size 1 in
/// them: 1 / k where x is one of k elements that are equal to y, else 0.
Tensor shares_of_equals(const Tensor& x, const Tensor& y, const DimVector& flags);
/// 1 where x = 0, else 0, in the dtype of x.
Tensor zeros_of(const Tensor& x);

/// The gradient of the running product y = cumprod(x, dim) with respect to x; right where x has zeros, too.
Tensor cumprod_gradient(const Tensor& dy, const Tensor& x, const Tensor& y, std::int64_t dim);

/// What the gradient of every reduction needs: the operand's sizes and dtype, and which dimensions are gone.
struct ReducedGeometry {
  DimVector sizes;
  DimVector flags;
  ScalarType dtype = kFloat32;

  void save_geometry(const Tensor& x, const DimVector& flags_) {
    sizes = x.sizes();
    flags = flags_;
    dtype = x.scalar_type();
  }
  /// How many terms each result has.
  std::int64_t count() const {
    std::int64_t n = 1;
    for (std::size_t d = 0; d < flags.size(); ++d) {
      n *= flags[d] != 0 ? sizes[d] : 1;
    }
    return n;
  }
  /// A result, or its gradient, with size 1 in the places of the reduced dimensions.
  Tensor restored(const Tensor& y) const {
    DimVector kept(sizes);
    for (std::size_t d = 0; d < flags.size(); ++d) {
      kept[d] = flags[d] != 0 ? 1 : kept[d];
    }
    return y.sizes() == IntArrayRef(kept) ? y : reshape(y, kept);
  }
  /// The gradient of a sum: dy repeated over what was summed.
  Tensor repeated(const Tensor& dy) const { return expand(restored(cast(dy, dtype)), sizes); }
};

}  // namespace backflow::detail
