// Variance, standard deviation and the logarithm of a sum of exponentials.
#include <algorithm>
#include <cmath>
#include <limits>

#include <backflow/ops/reductions/magnitudes_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// What the variance of n numbers with their mean is divided by.
double divisor(std::int64_t n, double correction) { return static_cast<double>(n) - correction; }

/// Makes variances, or their roots, of sums of squared deviations.
void finish_spread(const Tensor& m2, double divided_by, bool root) {
  kernels::binary(kernels::functions::Div{}, m2, m2, Scalar(divided_by));
  if (root) {
    kernels::unary(kernels::functions::Sqrt{}, m2, m2);
  }
}

/// The same of x in units of its largest element.
Tensor spread_in_units(const Tensor& x, const DimVector& flags, double divided_by, bool root, IntArrayRef sizes) {
  const ScalarType wide = computed(x.scalar_type());
  const Tensor from = converted(x, wide);
  const Tensor unit = unit_of(from, flags);
  const Tensor ratios = empty_tensor_like(from, wide);
  kernels::binary(kernels::functions::Div{}, ratios, from, unit);
  const Tensor mean = empty_tensor(sizes, kFloat64);
  Tensor y = empty_tensor(sizes, kFloat64);
  kernels::moments(mean, y, ratios, flags);
  finish_spread(y, divided_by, root);
  const Tensor factor = converted(view_of(unit, sizes, contiguous_strides(sizes), 0), kFloat64);
  for (int power = root ? 1 : 2; power > 0; --power) {
    kernels::binary(kernels::functions::Mul{}, y, y, factor);
  }
  return y;
}

/// Where no square in a sum of squared deviations has overflowed, or has vanished and counts: deviations from a mean
/// that is not tiny are 0, or not tiny either. Undefined when that is everywhere.
Tensor kept_spreads(const Tensor& mean, const Tensor& m2, ScalarType dtype) {
  const double least = limits_of(dtype).sums.least;
  const double tiny = std::sqrt(least) * 0x1p12;
  const double* const means = mean.const_data_ptr<double>();
  const double* const squares = m2.const_data_ptr<double>();
  const auto is_kept = [&](std::int64_t i) {
    return std::isfinite(squares[i]) && (squares[i] >= least || std::abs(means[i]) > tiny);
  };
  bool all = true;
  for (std::int64_t i = 0; i < m2.numel(); ++i) {
    all &= is_kept(i);
  }
  if (all) {
    return {};
  }
  Tensor kept = empty_tensor(m2.sizes(), kBool);
  for (std::int64_t i = 0; i < m2.numel(); ++i) {
    kept.mutable_data_ptr<bool>()[i] = is_kept(i);
  }
  return kept;
}

/// The variance, or its root, over the marked dimensions.
Tensor spread(const char* where, const Tensor& x, const DimVector& flags, double correction, KeepDim keep, bool root) {
  check(x.is_floating_point(), where, ": ", describe(x), ": need a floating-point tensor; to(kFloat32) gives one");
  ReducedGeometry geometry;
  geometry.save_geometry(x, flags);
  const Tensor mean = empty_tensor(reduced_sizes(x, flags, keep), kFloat64);
  const Tensor y = empty_tensor(mean.sizes(), kFloat64);
  const double divided_by = std::max(0.0, divisor(geometry.count(), correction));
  if (geometry.count() == 0) {
    kernels::fill(y, 0);
  } else {
    kernels::moments(mean, y, x, flags);
  }
  const Tensor kept = geometry.count() <= 1 ? Tensor() : kept_spreads(mean, y, x.scalar_type());
  finish_spread(y, divided_by, root);
  if (kept.defined() && is_any_lost(kept, x, flags)) {
    kernels::where(y, kept, y, spread_in_units(x, flags, divided_by, root, y.sizes()));
  }
  return converted(y, x.scalar_type());
}

double correction_of(bool unbiased) { return unbiased ? 1 : 0; }
double correction_of(const std::optional<Scalar>& correction) { return correction ? correction->toDouble() : 1; }

/// The gradient of variances and standard deviations.
struct SpreadState : ReducedGeometry {
  SavedTensor x;
  double correction;

 protected:
  void save_all(const Tensor& x_, const DimVector& flags_, double correction_) {
    save_geometry(x_, flags_);
    x.save(x_);
    correction = correction_;
  }
  Tensor of_variance(const Tensor& dy, const Tensor& from) const {
    const DimVector dims = dims_of(flags);
    const Tensor center = mean(from, dims, true);
    const double factor = 2 / divisor(count(), correction);
    if (are_factors(center) && are_factors(dy)) {
      return (from - center) * (restored(dy) * factor);
    }
    // A difference of two numbers may be twice as large as both.
    return (from * 0.5 - center * 0.5) * (2 * factor) * restored(dy);
  }
};

struct VarianceState : SpreadState {
  void backward(Backward& b) const { b.dx(0) = of_variance(b.dy(), b(x)); }
};

struct DeviationState : SpreadState {
  SavedTensor y;
  /// dy / 2y, 0 where y = 0.
  void backward(Backward& b) const {
    const Tensor result = b(y);
    if (!are_factors(result) || !are_factors(b.dy())) {
      b.dx(0) = in_units(b.dy(), b(x));
      return;
    }
    const Tensor is_zero = zeros_of(result.detach());
    b.dx(0) = of_variance(b.dy() / (result + is_zero) * ((1 - is_zero) * 0.5), b(x));
  }

 private:
  /// dy (x - m) / y / (n - 1), with x, m and y in units in which no square overflows or vanishes.
  Tensor in_units(const Tensor& dy, const Tensor& from) const {
    const DimVector dims = dims_of(flags);
    const Tensor ratios = from / unit_of(from.detach(), flags);
    const Tensor deviation = std(ratios, dims, Scalar(correction), true);
    const Tensor is_zero = zeros_of(deviation.detach());
    const Tensor z = (ratios - mean(ratios, dims, true)) / (deviation + is_zero);
    return z * (restored(dy) * (1 - is_zero)) * (1 / divisor(count(), correction));
  }
};

struct Var : VarianceState {
  static constexpr OperatorInfo info = {
      .signature = "var(Tensor self, bool unbiased) -> Tensor",
      .formula = "y = sum of (x - mean)^2 / (n - 1), or / n;  dx = 2 dy (x - mean) / (n - 1), or / n",
      .doc = "The variance of all elements of a floating-point tensor. A single integer is taken for a dimension.",
      .dtypes = kFloatingDtypes,
      .node = "VarBackward0",
  };
  static Tensor forward(const Tensor& x, bool unbiased) {
    return spread("var", x, all_dims(x), correction_of(unbiased), KeepDim::No, false);
  }
  void save(Needs, const Tensor& x_, bool unbiased, const Tensor&) {
    save_all(x_, all_dims(x_), correction_of(unbiased));
  }
};

struct VarDim : VarianceState {
  static constexpr OperatorInfo info = {
      .signature = "var(Tensor self, int[]? dim, bool unbiased, bool keepdim=False) -> Tensor",
      .formula = "y = sum of (x - mean)^2 over dim / (n - 1), or / n;  dx = 2 dy (x - mean) / (n - 1), or / n",
      .doc = "The variance over dimensions; no list, or an empty one, means all.",
      .dtypes = kFloatingDtypes,
      .node = "VarBackward0",
  };
  static Tensor forward(const Tensor& x, OptionalIntArrayRef dim, bool unbiased, bool keepdim) {
    return spread("var", x, reduced_dims("var", x, dim), correction_of(unbiased), keep_if(keepdim), false);
  }
  void save(Needs, const Tensor& x_, OptionalIntArrayRef dim, bool unbiased, bool, const Tensor&) {
    save_all(x_, reduced_dims("var", x_, dim), correction_of(unbiased));
  }
};

struct VarCorrection : VarianceState {
  static constexpr OperatorInfo info = {
      .signature = "var(Tensor self, int[]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
      .formula = "y = sum of (x - mean)^2 over dim / (n - correction);  dx = 2 dy (x - mean) / (n - correction)",
      .doc = "The variance with any correction, 1 unless given.",
      .dtypes = kFloatingDtypes,
      .node = "VarBackward0",
  };
  static Tensor forward(const Tensor& x, OptionalIntArrayRef dim, const std::optional<Scalar>& correction,
                        bool keepdim) {
    return spread("var", x, reduced_dims("var", x, dim), correction_of(correction), keep_if(keepdim), false);
  }
  void save(Needs, const Tensor& x_, OptionalIntArrayRef dim, const std::optional<Scalar>& c, bool, const Tensor&) {
    save_all(x_, reduced_dims("var", x_, dim), correction_of(c));
  }
};

struct Std : DeviationState {
  static constexpr OperatorInfo info = {
      .signature = "std(Tensor self, bool unbiased) -> Tensor",
      .formula = "y = sqrt(var(x));  dx = dy (x - mean) / ((n - 1) y), or / (n y), 0 where y = 0",
      .doc =
          "The standard deviation of all elements of a floating-point tensor. A single integer is taken for a "
          "dimension.",
      .dtypes = kFloatingDtypes,
      .node = "StdBackward0",
  };
  static Tensor forward(const Tensor& x, bool unbiased) {
    return spread("std", x, all_dims(x), correction_of(unbiased), KeepDim::No, true);
  }
  void save(Needs, const Tensor& x_, bool unbiased, const Tensor& y_) {
    save_all(x_, all_dims(x_), correction_of(unbiased));
    y.save_output(y_);
  }
};

struct StdDim : DeviationState {
  static constexpr OperatorInfo info = {
      .signature = "std(Tensor self, int[]? dim, bool unbiased, bool keepdim=False) -> Tensor",
      .formula = "y = sqrt(var(x, dim));  dx = dy (x - mean) / ((n - 1) y), or / (n y), 0 where y = 0",
      .doc = "The standard deviation over dimensions; no list, or an empty one, means all.",
      .dtypes = kFloatingDtypes,
      .node = "StdBackward0",
  };
  static Tensor forward(const Tensor& x, OptionalIntArrayRef dim, bool unbiased, bool keepdim) {
    return spread("std", x, reduced_dims("std", x, dim), correction_of(unbiased), keep_if(keepdim), true);
  }
  void save(Needs, const Tensor& x_, OptionalIntArrayRef dim, bool unbiased, bool, const Tensor& y_) {
    save_all(x_, reduced_dims("std", x_, dim), correction_of(unbiased));
    y.save_output(y_);
  }
};

struct StdCorrection : DeviationState {
  static constexpr OperatorInfo info = {
      .signature = "std(Tensor self, int[]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
      .formula = "y = sqrt(var(x, dim, correction));  dx = dy (x - mean) / ((n - correction) y), 0 where y = 0",
      .doc = "The standard deviation with any correction, 1 unless given.",
      .dtypes = kFloatingDtypes,
      .node = "StdBackward0",
  };
  static Tensor forward(const Tensor& x, OptionalIntArrayRef dim, const std::optional<Scalar>& correction,
                        bool keepdim) {
    return spread("std", x, reduced_dims("std", x, dim), correction_of(correction), keep_if(keepdim), true);
  }
  void save(Needs, const Tensor& x_, OptionalIntArrayRef dim, const std::optional<Scalar>& c, bool, const Tensor& y_) {
    save_all(x_, reduced_dims("std", x_, dim), correction_of(c));
    y.save_output(y_);
  }
};

struct Logsumexp : ReducedGeometry {
  static constexpr OperatorInfo info = {
      .signature = "logsumexp(Tensor self, int[] dim, bool keepdim=False) -> Tensor",
      .formula = "y = log(sum of e^x over dim);  dx = dy e^(x - y), its limit where y is infinite",
      .doc = "Without overflow; integers give float32. Of nothing it is -infinity. An empty list means all dimensions.",
      .dtypes = kAnyDtype,
      .node = "LogsumexpBackward0",
  };
  SavedTensor x;
  SavedTensor y;
  static Tensor forward(const Tensor& x, IntArrayRef dim, bool keepdim) {
    const DimVector flags = reduced_dims("logsumexp", x, dim);
    const ScalarType dtype = x.is_floating_point() ? x.scalar_type() : kFloat32;
    const Tensor from = converted(x, computed(dtype));
    const Tensor largest = fold(Fold::Max, Map::None, from, flags, KeepDim::Yes, from.scalar_type());
    const Tensor is_finite = empty_tensor(largest.sizes(), kBool);
    kernels::test(kernels::functions::IsFinite{}, is_finite, largest);
    const Tensor zero = empty_tensor(largest.sizes(), largest.scalar_type());
    kernels::fill(zero, 0);
    kernels::where(largest, is_finite, largest, zero);
    const Tensor terms = empty_tensor_like(from, from.scalar_type());
    kernels::binary(kernels::functions::Sub{}, terms, from, largest);
    kernels::unary(kernels::functions::Exp{}, terms, terms);
    const Tensor y = fold(Fold::Sum, Map::None, terms, flags, KeepDim::Yes, from.scalar_type());
    kernels::unary(kernels::functions::Log{}, y, y);
    kernels::binary(kernels::functions::Add{}, y, y, largest);
    const DimVector sizes = reduced_sizes(x, flags, keep_if(keepdim));
    return converted(view_of(y, sizes, contiguous_strides(sizes), 0), dtype);
  }
  void save(Needs, const Tensor& x_, IntArrayRef dim, bool, const Tensor& y_) {
    save_geometry(x_, reduced_dims("logsumexp", x_, dim));
    x.save(x_);
    y.save_output(y_);
  }
  void backward(Backward& b) const {
    const Tensor result = b(y);
    const Tensor from = b(x);
    b.dx(0) = (is_finite(result) ? exp(from - restored(result)) : limit(from, result)) * restored(b.dy());
  }

 private:
  static bool is_finite(const Tensor& y) {
    const ScalarType wide = computed(y.scalar_type());
    return all_within(converted(y, wide), {0, limits_of(wide).largest});
  }
  /// The slopes where some sums are infinite, and x - y is not a number.
  Tensor limit(const Tensor& from, const Tensor& result) const {
    if (count() == 1) {
      return ones_like(from);
    }
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const Tensor sums = restored(result);
    const Tensor is_infinite = isinf(sums);
    const Tensor finite = exp(masked_fill(from, is_infinite, -kInfinity) - masked_fill(sums, is_infinite, 0));
    return where(sums == kInfinity, shares_of_equals(from.detach(), sums.detach(), flags), finite);
  }
};

}  // namespace

#include <backflow/ops/statistics_functions.inc>

OperatorFamily statistics_operators() {
  return family<Var, VarDim, VarCorrection, Std, StdDim, StdCorrection, Logsumexp>("statistics");
}

}  // namespace backflow
