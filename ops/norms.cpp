// Norms of vectors, over all elements or over dimensions.
#include <cmath>

#include <backflow/ops/reduction_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Binary;

Tensor norm_over(const Tensor& x, double p, const DimVector& flags, KeepDim keep, ScalarType dtype) {
  check(is_floating_point(dtype), "norm: ", describe(x), ": need a floating-point tensor; to(kFloat32) gives one");
  const Tensor numbers = converted(x, dtype);
  const ScalarType wide = computed(dtype);
  if (std::isinf(p)) {
    const Fold f = p > 0 ? Fold::Max : Fold::Min;
    return x.numel() == 0 ? fold(Fold::Sum, Map::Abs, numbers, flags, keep, dtype)
                          : fold(f, Map::Abs, numbers, flags, keep, dtype);
  }
  const Map map = p == 0 ? Map::NonZero : p == 1 ? Map::Abs : p == 2 ? Map::Square : Map::AbsPower;
  const Tensor y = fold(Fold::Sum, map, numbers, flags, keep, wide, p);
  if (p == 2) {
    kernels::unary(kernels::Unary::Sqrt, y, y);
  } else if (p != 0 && p != 1) {
    kernels::binary(Binary::Pow, y, y, Scalar(1 / p));
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
      return sign(from) * dy;
    }
    if (std::isinf(p_)) {
      return sign(from) * dy * shares_of_equals(abs(from.detach()), result.detach(), flags);
    }
    const Tensor positive = result + zeros_of(result.detach());  // 1 in the place of 0
    if (p_ == 2) {
      return from * (dy / positive);
    }
    const Tensor magnitude = abs(from) + zeros_of(from.detach());
    return sign(from) * pow(magnitude, p_ - 1) * (dy / pow(positive, p_ - 1));
  }
};

double power_of(const std::optional<Scalar>& p) { return p ? p->toDouble() : 2; }

struct Norm : NormState {
  static constexpr OperatorInfo info = {
      .name = "norm",
      .signature = "norm(Tensor self, Scalar p=2) -> Tensor",
      .formula = "y = (sum of |x|^p)^(1/p);  dx = dy sign(x) |x|^(p-1) / y^(p-1), 0 where y = 0",
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
      .name = "norm",
      .signature = "norm(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor",
      .formula = "y = (sum of |x|^p)^(1/p);  dx = dy sign(x) |x|^(p-1) / y^(p-1), 0 where y = 0",
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
      .name = "norm",
      .signature = "norm(Tensor self, Scalar? p, int[] dim, bool keepdim=False) -> Tensor",
      .formula = "y = (sum of |x|^p over dim)^(1/p);  dx = dy sign(x) |x|^(p-1) / y^(p-1), 0 where y = 0",
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
      .name = "norm",
      .signature = "norm(Tensor self, Scalar? p, int[] dim, bool keepdim, *, ScalarType dtype) -> Tensor",
      .formula = "y = (sum of |x|^p over dim)^(1/p);  dx = dy sign(x) |x|^(p-1) / y^(p-1), 0 where y = 0",
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
