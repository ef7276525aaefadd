// Numbers kept within bounds that are tensors.
#include <optional>

#include <backflow/ops/elementwise/fused_gradient_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// What the operators have in common: bounds are broadcast, and either may be undefined.
struct TensorClampOperator {
  SavedTensor x;
  SavedTensor lower;
  SavedTensor upper;
  OperandGeometry x_geometry;
  OperandGeometry lower_geometry;
  OperandGeometry upper_geometry;

  static ScalarType dtype(const Tensor& x, const Tensor& min, const Tensor& max) {
    // Of each kind of operand, with and without dimensions, the largest dtype; the latter counts for less.
    std::optional<ScalarType> full;
    std::optional<ScalarType> weak;
    for (const Tensor* operand : {&x, &min, &max}) {
      if (operand->defined()) {
        std::optional<ScalarType>& kind = operand->dim() == 0 ? weak : full;
        kind = kind ? promote_types(*kind, operand->scalar_type()) : operand->scalar_type();
      }
    }
    return !full ? *weak : !weak ? *full : promote_weak(*full, *weak);
  }
  static DimVector shape(const char* name, const Tensor& x, const Tensor& min, const Tensor& max) {
    DimVector sizes(x.sizes());
    for (const Tensor* bound : {&min, &max}) {
      if (bound->defined()) {
        sizes = broadcast_shapes(name, sizes, bound->sizes());
      }
    }
    return sizes;
  }
  static Tensor clamped(const char* name, const Tensor& x, const Tensor& min, const Tensor& max) {
    Tensor y = empty_tensor(shape(name, x, min, max), dtype(x, min, max));
    write(y, Cast(x, y.scalar_type()), min, max);
    return y;
  }
  static bool clamp_into(const char* name, const Tensor& y, const Tensor& x, const Tensor& min, const Tensor& max) {
    if (dtype(x, min, max) != y.scalar_type() || shape(name, x, min, max) != DimVector(y.sizes()) ||
        (min.defined() && min.is_alias_of(y)) || (max.defined() && max.is_alias_of(y))) {
      return false;
    }
    write(y, x, min, max);
    return true;
  }
  void keep(const Tensor& x_, const Tensor& min, const Tensor& max, const Tensor& y) {
    x.save(x_);
    x_geometry.save(x_, y);
    if (min.defined()) {
      lower.save(min);
      lower_geometry.save(min, y);
    }
    if (max.defined()) {
      upper.save(max);
      upper_geometry.save(max, y);
    }
  }
  /// Writes the gradients of x, of the lower bound and of the upper one to the operands of these numbers.
  void spread(Backward& b, bool has_min, bool has_max, std::size_t min_at, std::size_t max_at) const {
    const Tensor& dy = b.dy();
    const Tensor value = b(x);
    const Tensor min = has_min ? b(lower) : Tensor();
    const Tensor max = has_max ? b(upper) : Tensor();
    if (b.wants(0)) {
      Tensor dx = has_min ? relu_backward(dy, holds(functions::GreaterEqual{}, value, min, dy)) : dy;
      dx = has_max ? relu_backward(dx, holds(functions::LessEqual{}, value, max, dy)) : dx;
      b.dx(0) = x_geometry.reduce(dx);
    }
    if (has_min && b.wants(min_at)) {
      Tensor dx = relu_backward(dy, holds(functions::Less{}, value, min, dy));
      dx = has_max ? relu_backward(dx, holds(functions::Less{}, min, max, dy)) : dx;
      b.dx(min_at) = lower_geometry.reduce(dx);
    }
    if (has_max && b.wants(max_at)) {
      Tensor mask = holds(functions::Greater{}, value, max, dy);
      if (has_min) {
        kernels::compare(functions::Or{}, mask, mask, holds(functions::Less{}, max, min, dy));
      }
      b.dx(max_at) = upper_geometry.reduce(relu_backward(dy, mask));
    }
  }

 private:
  static void write(const Tensor& y, const Tensor& x, const Tensor& min, const Tensor& max) {
    const Tensor* from = &x;
    if (min.defined()) {
      kernels::binary(functions::Maximum{}, y, x, Cast(min, y.scalar_type()));
      from = &y;
    }
    if (max.defined()) {
      kernels::binary(functions::Minimum{}, y, *from, Cast(max, y.scalar_type()));
    }
  }
  /// Where f(a, b) holds, of the shape of dy.
  static Tensor holds(Comparison f, const Tensor& a, const Tensor& b, const Tensor& dy) {
    const ScalarType common = promote_types(a.scalar_type(), b.scalar_type());
    Tensor mask = empty_tensor_like(dy, kBool);
    kernels::compare(f, mask, Cast(a, common), Cast(b, common));
    return mask;
  }
};

struct ClampTensor : TensorClampOperator {
  static constexpr OperatorInfo info = {
      .signature = "clamp(Tensor self, Tensor? min, Tensor? max=None) -> Tensor",
      .formula =
          "y = min(max(x, lower), upper);  dx = dy where lower <= x <= upper, dlower = dy where x < lower < upper, "
          "dupper = dy where x > upper or lower > upper, else 0",
      .doc =
          "Clamps x to bounds that are tensors, broadcast, of which one may be undefined; an Error without both. NaN "
          "in an operand gives NaN; where the lower bound is larger, the upper one wins.",
      .dtypes = kNumericDtypes,
      .node = "ClampBackward0",
      .inplace = "clamp_(Tensor self, Tensor? min, Tensor? max=None) -> Tensor",
  };
  bool has_min = false;
  bool has_max = false;
  static Tensor forward(const Tensor& x, const Tensor& min, const Tensor& max) {
    check_bounds(x, min, max);
    return clamped(info.name, x, min, max);
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& min, const Tensor& max) {
    check_bounds(x, min, max);
    return clamp_into(info.name, y, x, min, max);
  }
  void save(Needs, const Tensor& x_, const Tensor& min, const Tensor& max, const Tensor& y) {
    keep(x_, min, max, y);
    has_min = min.defined();
    has_max = max.defined();
  }
  void backward(Backward& b) const { spread(b, has_min, has_max, 1, 2); }

 private:
  static void check_bounds(const Tensor& x, const Tensor& min, const Tensor& max) {
    check(min.defined() || max.defined(), "clamp: ", describe(x), " without bounds: need a minimum or a maximum");
    check(dtype(x, min, max) != kBool, "clamp: dtype bool: need numbers; to(kInt64) gives them");
  }
};

struct ClampMinTensor : TensorClampOperator {
  static constexpr OperatorInfo info = {
      .signature = "clamp_min(Tensor self, Tensor min) -> Tensor",
      .formula = "y = max(x, lower);  dx = dy where x >= lower, dlower = dy where x < lower, else 0",
      .doc = "clamp with a tensor as lower bound alone.",
      .dtypes = kAnyDtype,
      .node = "ClampMinBackward1",
      .inplace = "clamp_min_(Tensor self, Tensor min) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Tensor& min) { return clamped(info.name, x, min, {}); }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& min) {
    return clamp_into(info.name, y, x, min, {});
  }
  void save(Needs, const Tensor& x_, const Tensor& min, const Tensor& y) { keep(x_, min, {}, y); }
  void backward(Backward& b) const { spread(b, true, false, 1, 1); }
};

struct ClampMaxTensor : TensorClampOperator {
  static constexpr OperatorInfo info = {
      .signature = "clamp_max(Tensor self, Tensor max) -> Tensor",
      .formula = "y = min(x, upper);  dx = dy where x <= upper, dupper = dy where x > upper, else 0",
      .doc = "clamp with a tensor as upper bound alone.",
      .dtypes = kAnyDtype,
      .node = "ClampMaxBackward1",
      .inplace = "clamp_max_(Tensor self, Tensor max) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Tensor& max) { return clamped(info.name, x, {}, max); }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& max) {
    return clamp_into(info.name, y, x, {}, max);
  }
  void save(Needs, const Tensor& x_, const Tensor& max, const Tensor& y) { keep(x_, {}, max, y); }
  void backward(Backward& b) const { spread(b, false, true, 1, 1); }
};

}  // namespace

#include <backflow/ops/clamp_by_tensors_functions.inc>

OperatorFamily clamp_by_tensors_operators() {
  return family<ClampTensor, ClampMinTensor, ClampMaxTensor>("clamp_by_tensors");
}

}  // namespace backflow
