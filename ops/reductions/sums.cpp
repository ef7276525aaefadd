// Sums, products and truth values over dimensions.
#include <cmath>
#include <limits>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/reductions/magnitudes_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct Sum : ReducedGeometry {
  static constexpr OperatorInfo info = {
      .signature = "sum(Tensor self, *, ScalarType? dtype=None) -> Tensor",
      .formula = "y = sum of all x;  dx = dy everywhere",
      .doc =
          "A scalar; integers give int64. Elements are converted to dtype first. Blocked summation, the same bits "
          "on any number of threads.",
      .dtypes = kAnyDtype,
      .node = "SumBackward0",
  };
  static Tensor forward(const Tensor& x, std::optional<ScalarType> dtype) {
    return fold_numbers(Fold::Sum, x, all_dims(x), KeepDim::No, sum_dtype(x, dtype));
  }
  void save(Needs, const Tensor& x, std::optional<ScalarType>, const Tensor&) { save_geometry(x, all_dims(x)); }
  void backward(Backward& b) const { b.dx(0) = repeated(b.dy()); }
};

struct SumDim : ReducedGeometry {
  static constexpr OperatorInfo info = {
      .signature = "sum(Tensor self, int[]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
      .formula = "y = sum of x over dim;  dx = dy repeated over dim",
      .doc = "Negative dimensions count from the end, an empty list means all. With keepdim they stay with size 1.",
      .dtypes = kAnyDtype,
      .node = "SumBackward1",
  };
  static Tensor forward(const Tensor& x, OptionalIntArrayRef dim, bool keepdim, std::optional<ScalarType> dtype) {
    return fold_numbers(Fold::Sum, x, reduced_dims("sum", x, dim), keep_if(keepdim), sum_dtype(x, dtype));
  }
  void save(Needs, const Tensor& x, OptionalIntArrayRef dim, bool, std::optional<ScalarType>, const Tensor&) {
    save_geometry(x, reduced_dims("sum", x, dim));
  }
  void backward(Backward& b) const { b.dx(0) = repeated(b.dy()); }
};

/// The mean, of numbers so small that no sum overflows: 2^-k x with n <= 2^k. `like` is the result.
Tensor mean_of_parts(const Tensor& x, const DimVector& flags, KeepDim keep, const Tensor& like) {
  const auto count = static_cast<double>(x.numel()) / static_cast<double>(like.numel());
  const double part = std::exp2(-std::ceil(std::log2(count)));
  const Tensor parts = empty_tensor_like(x, like.scalar_type());
  kernels::binary(kernels::functions::Mul{}, parts, converted(x, like.scalar_type()), Scalar(part));
  Tensor y = fold(Fold::Sum, Map::None, parts, flags, keep, like.scalar_type());
  kernels::binary(kernels::functions::Div{}, y, y, Scalar(count * part));
  return y;
}

/// The mean, rounded once.
Tensor mean_over(const Tensor& x, const DimVector& flags, KeepDim keep, std::optional<ScalarType> asked) {
  const ScalarType dtype = asked.value_or(x.scalar_type());
  check(is_floating_point(dtype), "mean: ", describe(x), ": need a floating-point tensor; to(kFloat32) gives one");
  ReducedGeometry geometry;
  geometry.save_geometry(x, flags);
  const Tensor numbers = dtype == kBFloat16 ? converted(x, dtype) : x;
  const Tensor y = fold(Fold::Sum, Map::None, numbers, flags, keep, computed(dtype));
  const bool is_finite = all_within(y, {0, limits_of(dtype).largest});
  kernels::binary(kernels::functions::Div{}, y, y, Scalar(geometry.count()));
  if (!is_finite && geometry.count() > 1) {
    kernels::where(y, where_within(y, {0, limits_of(dtype).largest}), y, mean_of_parts(numbers, flags, keep, y));
  }
  return converted(y, dtype);
}

struct Mean : ReducedGeometry {
  static constexpr OperatorInfo info = {
      .signature = "mean(Tensor self, *, ScalarType? dtype=None) -> Tensor",
      .formula = "y = sum of all x / n;  dx = dy / n everywhere",
      .doc = "A scalar; needs a floating-point tensor or dtype. The mean of nothing is NaN.",
      .dtypes = kFloatingDtypes,
      .node = "MeanBackward0",
  };
  static Tensor forward(const Tensor& x, std::optional<ScalarType> dtype) {
    return mean_over(x, all_dims(x), KeepDim::No, dtype);
  }
  void save(Needs, const Tensor& x, std::optional<ScalarType>, const Tensor&) { save_geometry(x, all_dims(x)); }
  void backward(Backward& b) const { b.dx(0) = repeated(b.dy() / count()); }
};

struct MeanDim : ReducedGeometry {
  static constexpr OperatorInfo info = {
      .signature = "mean(Tensor self, int[]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
      .formula = "y = sum of x over dim / n;  dx = dy / n repeated over dim",
      .doc = "As sum over dim, divided by the number of terms; needs a floating-point tensor or dtype.",
      .dtypes = kFloatingDtypes,
      .node = "MeanBackward1",
  };
  static Tensor forward(const Tensor& x, OptionalIntArrayRef dim, bool keepdim, std::optional<ScalarType> dtype) {
    return mean_over(x, reduced_dims("mean", x, dim), keep_if(keepdim), dtype);
  }
  void save(Needs, const Tensor& x, OptionalIntArrayRef dim, bool, std::optional<ScalarType>, const Tensor&) {
    save_geometry(x, reduced_dims("mean", x, dim));
  }
  void backward(Backward& b) const { b.dx(0) = repeated(b.dy() / count()); }
};

struct SumToSize {
  static constexpr OperatorInfo info = {
      .signature = "sum_to_size(Tensor self, int[] size) -> Tensor",
      .formula = "y = x summed over what broadcasting `size` would repeat;  dx = dy expanded",
      .doc = "The opposite of expand; an Error when `size` does not broadcast to the shape of x.",
      .dtypes = kAnyDtype,
      .node = "SumToSizeBackward0",
  };
  DimVector sizes;
  static Tensor forward(const Tensor& x, IntArrayRef size) {
    const std::size_t rank = x.sizes().size();
    const auto check_fit = [&](bool fits) {
      check(fits, "sum_to_size: ", describe(x), " to ", size, ": need sizes that broadcast to the tensor's");
    };
    check_fit(size.size() <= rank);
    const std::size_t added = rank - size.size();
    DimVector flags(rank, 0);
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t wanted = d < added ? 1 : size[d - added];
      check_fit(wanted == x.sizes()[d] || wanted == 1);
      flags[d] = d < added || (wanted == 1 && x.sizes()[d] != 1);
    }
    if (x.sizes() == size) {  // nothing is summed, so that integers keep their dtype
      Tensor y = empty_tensor(size, x.scalar_type());
      kernels::copy(y, x);
      return y;
    }
    const Tensor y = fold_numbers(Fold::Sum, x, flags, KeepDim::Yes, sum_dtype(x, std::nullopt));
    return view_of(y, size, contiguous_strides(size), 0);
  }
  void save(Needs, const Tensor& x, IntArrayRef, const Tensor&) { sizes = x.sizes(); }
  void backward(Backward& b) const { b.dx(0) = expand(b.dy(), sizes); }
};

/// Whether all products are neither zero nor infinite, nor so small that digits are lost: then x has no zeros either.
bool are_ordinary(const Tensor& y) {
  const ScalarType dtype = computed(y.scalar_type());
  const double least = dtype == kFloat64 ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  return all_within(converted(y, dtype), {least, limits_of(dtype).largest});
}

/// The gradient of y, the product of x along a dimension, in which y and dy have size 1.
Tensor prod_gradient(const Tensor& dy, const Tensor& x, const Tensor& y, std::int64_t dim) {
  if (are_ordinary(y)) {
    return dy * (y / x);
  }
  // The last of the running products is y.
  DimVector before(x.sizes());
  before[wrap_dim("prod", dim, before.size())] -= 1;
  return cumprod_gradient(cat({zeros(before, TensorOptions(dy.scalar_type())), dy}, dim), x, cumprod(x, dim), dim);
}

struct Prod : ReducedGeometry {
  static constexpr OperatorInfo info = {
      .signature = "prod(Tensor self, *, ScalarType? dtype=None) -> Tensor",
      .formula = "y = product of all x;  dx[i] = dy times the product of all others",
      .doc = "A scalar; integers give int64. Elements are converted to dtype first. The product of nothing is 1.",
      .dtypes = kAnyDtype,
      .node = "ProdBackward0",
  };
  SavedTensor x;
  SavedTensor y;
  static Tensor forward(const Tensor& x, std::optional<ScalarType> dtype) {
    return fold_numbers(Fold::Prod, x, all_dims(x), KeepDim::No, sum_dtype(x, dtype));
  }
  void save(Needs, const Tensor& x_, std::optional<ScalarType>, const Tensor& y_) {
    save_geometry(x_, all_dims(x_));
    x.save(x_);
    y.save_output(y_);
  }
  void backward(Backward& b) const {
    const Tensor line = reshape(cast(b(x), b.dy().scalar_type()), {-1});
    b.dx(0) = cast(reshape(prod_gradient(unsqueeze(b.dy(), 0), line, unsqueeze(b(y), 0), 0), sizes), dtype);
  }
};

struct ProdDim : ReducedGeometry {
  static constexpr OperatorInfo info = {
      .signature = "prod(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
      .formula = "y = product of x along dim;  dx[i] = dy times the product of the others",
      .doc = "A negative dimension counts from the end. With keepdim it stays with size 1.",
      .dtypes = kAnyDtype,
      .node = "ProdBackward1",
  };
  SavedTensor x;
  SavedTensor y;
  std::int64_t dim_;
  static Tensor forward(const Tensor& x, std::int64_t dim, bool keepdim, std::optional<ScalarType> dtype) {
    return fold_numbers(Fold::Prod, x, reduced_dims("prod", x, dim), keep_if(keepdim), sum_dtype(x, dtype));
  }
  void save(Needs, const Tensor& x_, std::int64_t dim, bool, std::optional<ScalarType>, const Tensor& y_) {
    save_geometry(x_, reduced_dims("prod", x_, dim));
    x.save(x_);
    y.save_output(y_);
    dim_ = dim;
  }
  void backward(Backward& b) const {
    b.dx(0) =
        sizes.empty()
            ? cast(b.dy(), dtype)
            : cast(prod_gradient(restored(b.dy()), cast(b(x), b.dy().scalar_type()), restored(b(y)), dim_), dtype);
  }
};

/// Whether any (Fold::Max) or all (Fold::Min) of the numbers are not zero; uint8 gives uint8, as in PyTorch.
Tensor truth(Fold f, const Tensor& x, const DimVector& flags, KeepDim keep) {
  return fold(f, Map::NonZero, x, flags, keep, x.scalar_type() == kUInt8 ? kUInt8 : kBool);
}

struct Any {
  static constexpr OperatorInfo info = {
      .signature = "any(Tensor self) -> Tensor",
      .formula = "y = whether some x is not 0",
      .doc = "A bool scalar, of uint8 for uint8; of nothing false. NaN is not 0.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x) { return truth(Fold::Max, x, all_dims(x), KeepDim::No); }
};

struct AnyDim {
  static constexpr OperatorInfo info = {
      .signature = "any(Tensor self, int dim, bool keepdim=False) -> Tensor",
      .formula = "y = whether some x along dim is not 0",
      .doc = "bool, of uint8 for uint8. With keepdim the dimension stays with size 1.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::int64_t dim, bool keepdim) {
    return truth(Fold::Max, x, reduced_dims("any", x, dim), keep_if(keepdim));
  }
};

struct All {
  static constexpr OperatorInfo info = {
      .signature = "all(Tensor self) -> Tensor",
      .formula = "y = whether no x is 0",
      .doc = "A bool scalar, of uint8 for uint8; of nothing true. NaN is not 0.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x) { return truth(Fold::Min, x, all_dims(x), KeepDim::No); }
};

struct AllDim {
  static constexpr OperatorInfo info = {
      .signature = "all(Tensor self, int dim, bool keepdim=False) -> Tensor",
      .formula = "y = whether no x along dim is 0",
      .doc = "bool, of uint8 for uint8. With keepdim the dimension stays with size 1.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::int64_t dim, bool keepdim) {
    return truth(Fold::Min, x, reduced_dims("all", x, dim), keep_if(keepdim));
  }
};

}  // namespace

#include <backflow/ops/sums_functions.inc>

OperatorFamily sums_operators() {
  return family<Sum, SumDim, Mean, MeanDim, SumToSize, Prod, ProdDim, Any, AnyDim, All, AllDim>("sums");
}

}  // namespace backflow
