// Norms of vectors, over all elements or over dimensions.
#include <cmath>

#include <backflow/ops/elementwise/masks_internal.h>
#include <backflow/ops/reductions/magnitudes_internal.h>

namespace backflow {
namespace {

using namespace detail;
namespace functions = kernels::functions;

Map map_of(double p) { return p == 0 ? Map::NonZero : p == 1 ? Map::Abs : p == 2 ? Map::Square : Map::AbsPower; }

/// Makes norms of sums of powers.
void take_roots(const Tensor& sums, double p) {
  if (p == 2 && sums.numel() == 1 && sums.scalar_type() == kFloat32) {  // a kernel's call takes longer than the root
    auto* const sum = sums.mutable_data_ptr<float>();
    *sum = std::sqrt(*sum);
  } else if (p == 2) {
    kernels::unary(functions::Sqrt{}, sums, sums);
  } else if (p != 0 && p != 1) {
    kernels::binary(functions::Pow{}, sums, sums, Scalar(1 / p));
  }
}

/// The norms in units of the element that counts most, whose power is then 1.
Tensor norm_in_units(const Tensor& x, double p, const DimVector& flags, KeepDim keep) {
  const ScalarType wide = computed(x.scalar_type());
  const Tensor unit = extent_of(x, flags, p > 0 ? Fold::Max : Fold::Min);
  const Tensor ratios = empty_tensor_like(x, wide);
  kernels::binary(functions::Div{}, ratios, converted(x, wide), unit);
  Tensor y = fold(Fold::Sum, map_of(p), ratios, flags, keep, wide, p);
  take_roots(y, p);
  kernels::binary(functions::Mul{}, y, y, view_of(unit, y.sizes(), contiguous_strides(y.sizes()), 0));
  return y;
}

Tensor norm_over(const Tensor& x, double p, const DimVector& flags, KeepDim keep, ScalarType dtype) {
  check(is_floating_point(dtype), "norm: ", describe(x), ": need a floating-point tensor; to(kFloat32) gives one");
  const Tensor numbers = converted(x, dtype);
  const ScalarType wide = computed(dtype);
  if (std::isinf(p)) {
    const Fold f = p > 0 ? Fold::Max : Fold::Min;
    return x.numel() == 0 ? fold(Fold::Sum, Map::Abs, numbers, flags, keep, dtype)
                          : fold(f, Map::Abs, numbers, flags, keep, dtype);
  }
  const Tensor y = fold(Fold::Sum, map_of(p), numbers, flags, keep, wide, p);
  const Magnitudes kept = limits_of(wide).sums;
  if (p == 0 || p == 1 || x.numel() == 0 || all_within(y, kept)) {
    take_roots(y, p);
    return converted(y, dtype);
  }
  const Tensor is_kept = where_within(y, kept);
  take_roots(y, p);
  if (is_any_lost(is_kept, numbers, flags)) {
    kernels::where(y, is_kept, y, norm_in_units(numbers, p, flags, keep));
  }
  return converted(y, dtype);
}

/// The gradient of a norm: 0 where the norm is 0, which is one of its subgradients.
struct NormState : ReducedGeometry {
  SavedTensor x;
  SavedTensor y;
  double p_;

  void backward(Backward& b) const {
    const Tensor result = restored(b(y));
    b.dx(0) = cast(gradient(cast(b(x), result.scalar_type()), result, restored(b.dy())), dtype);
  }

 protected:
  void save_all(const Tensor& x_, double p, const DimVector& flags_, const Tensor& y_) {
    save_geometry(x_, flags_);
    x.save(x_);
    y.save_output(y_);
    p_ = p;
  }
  Tensor gradient(const Tensor& from, const Tensor& result, const Tensor& dy) const {
    if (p_ == 0) {
      return zeros_like(from);
    }
    if (p_ == 1) {
      return (isnan(result).any().item<bool>() ? slope_of_abs(from) : sign(from)) * dy;
    }
    if (std::isinf(p_)) {
      return sign(from) * dy * shares_of_equals(abs(from.detach()), result.detach(), flags);
    }
    if (are_factors(result)) {
      return of_powers(from, result, dy);
    }
    const Tensor units = in_units(from);
    return of_powers(units, norm(units, p_, dims_of(flags), true), dy);
  }

 private:
  /// x divided by its largest element, or where that is infinite, what the quotients tend to.
  Tensor in_units(const Tensor& from) const {
    const Tensor numbers = from.detach();
    Tensor quotients = from / unit_of(numbers, flags);
    const Tensor infinite = isinf(numbers);
    if (!infinite.any().item<bool>()) {
      return quotients;
    }
    const Tensor largest = amax(abs(numbers), dims_of(flags), true);
    return where(infinite, sign(from), where(isinf(largest), from * 0, quotients));
  }
  /// sign(x) |x / y|^(p-1) dy: the ratio is within 1, or where p < 0 beyond it, whose power is then within 1.
  Tensor of_powers(const Tensor& from, const Tensor& length, const Tensor& dy) const {
    const Tensor positive = length + zeros_of(length.detach());  // 1 in the place of 0
    if (p_ == 2) {
      return are_factors(dy) ? from * (dy / positive) : from / positive * dy;
    }
    if (p_ < 0) {  // where y = 0, an element is: the slope is 0, though powers of the others' ratios are large
      const Tensor none = expand(length.detach() == 0, from.sizes());
      const Tensor ratio = masked_fill(abs(from) / positive, none, 1);
      return masked_fill(sign(from) * pow(ratio + zeros_of(from.detach()), p_ - 1) * dy, none, 0);
    }
    const Tensor ratio = abs(from) / positive;
    // Where x = 0, a power of 1: it has a slope. Powers above 0 alone need none.
    const bool keeps_zeros = p_ > 1 && !GradMode::is_enabled();
    return sign(from) * pow(keeps_zeros ? ratio : ratio + zeros_of(from.detach()), p_ - 1) * dy;
  }
};

double power_of(const std::optional<Scalar>& p) { return p ? p->toDouble() : 2; }

struct Norm : NormState {
  static constexpr OperatorInfo info = {
      .signature = "norm(Tensor self, Scalar p=2) -> Tensor",
      .formula = "y = (sum of |x|^p)^(1/p);  dx = dy sign(x) (|x| / y)^(p-1), 0 where y = 0",
      .doc =
          "The p-norm of all elements of a floating-point tensor; for p = 0 the number of those that are not 0, for "
          "infinity the largest |x|, for -infinity the smallest.",
      .dtypes = kFloatingDtypes,
      .node = "NormBackward0",
  };
  static Tensor forward(const Tensor& x, const Scalar& p) {
    return norm_over(x, p.toDouble(), all_dims(x), KeepDim::No, x.scalar_type());
  }
  void save(Needs, const Tensor& x_, const Scalar& p, const Tensor& y_) {
    save_all(x_, p.toDouble(), all_dims(x_), y_);
  }
};

struct NormDtype : NormState {
  static constexpr OperatorInfo info = {
      .signature = "norm(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor",
      .formula = "y = (sum of |x|^p)^(1/p);  dx = dy sign(x) (|x| / y)^(p-1), 0 where y = 0",
      .doc = "As norm of the elements converted to dtype first.",
      .dtypes = kAnyDtype,
      .node = "NormBackward2",
  };
  static Tensor forward(const Tensor& x, const std::optional<Scalar>& p, ScalarType dtype) {
    return norm_over(x, power_of(p), all_dims(x), KeepDim::No, dtype);
  }
  void save(Needs, const Tensor& x_, const std::optional<Scalar>& p, ScalarType, const Tensor& y_) {
    save_all(x_, power_of(p), all_dims(x_), y_);
  }
};

struct NormDim : NormState {
  static constexpr OperatorInfo info = {
      .signature = "norm(Tensor self, Scalar? p, int[] dim, bool keepdim=False) -> Tensor",
      .formula = "y = (sum of |x|^p over dim)^(1/p);  dx = dy sign(x) (|x| / y)^(p-1), 0 where y = 0",
      .doc = "The p-norm over dimensions, the 2-norm when p is none; an empty list means all.",
      .dtypes = kFloatingDtypes,
      .node = "NormBackward1",
  };
  static Tensor forward(const Tensor& x, const std::optional<Scalar>& p, IntArrayRef dim, bool keepdim) {
    return norm_over(x, power_of(p), reduced_dims("norm", x, dim), keep_if(keepdim), x.scalar_type());
  }
  void save(Needs, const Tensor& x_, const std::optional<Scalar>& p, IntArrayRef dim, bool, const Tensor& y_) {
    save_all(x_, power_of(p), reduced_dims("norm", x_, dim), y_);
  }
};

struct NormDimDtype : NormState {
  static constexpr OperatorInfo info = {
      .signature = "norm(Tensor self, Scalar? p, int[] dim, bool keepdim, *, ScalarType dtype) -> Tensor",
      .formula = "y = (sum of |x|^p over dim)^(1/p);  dx = dy sign(x) (|x| / y)^(p-1), 0 where y = 0",
      .doc = "As norm over dim of the elements converted to dtype first.",
      .dtypes = kAnyDtype,
      .node = "NormBackward3",
  };
  static Tensor forward(const Tensor& x, const std::optional<Scalar>& p, IntArrayRef dim, bool keepdim,
                        ScalarType dtype) {
    return norm_over(x, power_of(p), reduced_dims("norm", x, dim), keep_if(keepdim), dtype);
  }
  void save(Needs, const Tensor& x_, const std::optional<Scalar>& p, IntArrayRef dim, bool, ScalarType,
            const Tensor& y_) {
    save_all(x_, power_of(p), reduced_dims("norm", x_, dim), y_);
  }
};

}  // namespace

#include <backflow/ops/norms_functions.inc>

OperatorFamily norms_operators() { return family<Norm, NormDtype, NormDim, NormDimDtype>("norms"); }

}  // namespace backflow
