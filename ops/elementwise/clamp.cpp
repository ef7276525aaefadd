// Numbers kept within bounds.
#include <cmath>
#include <limits>

#include <backflow/ops/elementwise/bounds_internal.h>
#include <backflow/ops/elementwise/fused_gradient_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// What the operators have in common. A missing bound does not bind.
struct ClampOperator {
  SavedTensor x;
  Bound lower;
  Bound upper;

  static ScalarType dtype(const Tensor& x, const Bound& min, const Bound& max) {
    const ScalarType common = min ? result_type(x.scalar_type(), *min) : x.scalar_type();
    return max ? result_type(common, *max) : common;
  }
  static Tensor clamped(const char* where, const Tensor& x, const Bound& min, const Bound& max) {
    Tensor y = empty_result_like(x, dtype(x, min, max));
    clamp_into(where, y, Cast(x, y.scalar_type()), min, max);
    return y;
  }
  static bool clamp_into(const char* where, const Tensor& y, const Tensor& x, const Bound& min, const Bound& max) {
    if (dtype(x, min, max) != y.scalar_type()) {
      return false;
    }
    if (y.is_floating_point() && min && max) {
      const double lower = min->toDouble();
      const double upper = max->toDouble();
      if (std::abs(lower) <= kHeldByAll && std::abs(upper) <= kHeldByAll) [[likely]] {
        kernels::unary(functions::Clamp{}, y, x, {lower, upper});
        return true;
      }
    }
    const auto [at_least, at_most] = held_bounds(where, y.scalar_type(), min, max);
    keep_within(y, x, at_least, at_most);
    return true;
  }
  void backward(Backward& b) const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const Tensor value = b(x);
    const double min = lower ? rounded_to(value.scalar_type(), lower->toDouble()) : -kInfinity;
    const double max = upper ? rounded_to(value.scalar_type(), upper->toDouble()) : kInfinity;
    b.dx(0) = GradMode::is_enabled() ? relu_backward(b.dy(), both(where_holds(functions::GreaterEqual{}, value, min),
                                                                  where_holds(functions::LessEqual{}, value, max)))
                                     : fused_gradient(functions::ClampBackward{}, b.dy(), value, {min, max});
  }

 protected:
  void save_operand(const Tensor& x_, const Bound& min, const Bound& max) {
    x.save(x_);
    lower = min;
    upper = max;
  }

 private:
  static constexpr double kHeldByAll = 0x1.fep127;  // the largest bound that every floating-point dtype holds
};

struct Clamp : ClampOperator {
  static constexpr OperatorInfo info = {
      .signature = "clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
      .formula = "y = min(max(x, lower), upper);  dx = dy where lower <= x <= upper, else 0",
      .doc =
          "Clamps x to two bounds, of which one is optional; an Error without both. NaN stays NaN; where the lower "
          "bound is larger, the upper one wins. Integers give float32 where a bound is a fraction. A bound beyond the "
          "range of the dtype has no effect; an Error where all elements would become one that the dtype can't "
          "represent.",
      .dtypes = kAnyDtype,
      .node = "ClampBackward1",
      .inplace = "clamp_(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Bound& min, const Bound& max) {
    check_bounds(x, min, max);
    return clamped(info.name, x, min, max);
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Bound& min, const Bound& max) {
    check_bounds(x, min, max);
    return clamp_into(info.name, y, x, min, max);
  }
  void save(Needs, const Tensor& x_, const Bound& min, const Bound& max, const Tensor&) { save_operand(x_, min, max); }

 private:
  static void check_bounds(const Tensor& x, const Bound& min, const Bound& max) {
    check(min || max, "clamp: ", describe(x), " without bounds: need a minimum or a maximum");
  }
};

struct ClampMin : ClampOperator {
  static constexpr OperatorInfo info = {
      .signature = "clamp_min(Tensor self, Scalar min) -> Tensor",
      .formula = "y = max(x, lower);  dx = dy where x >= lower, else 0",
      .doc = "clamp with a lower bound alone.",
      .dtypes = kAnyDtype,
      .node = "ClampMinBackward0",
      .inplace = "clamp_min_(Tensor self, Scalar min) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& min) { return clamped(info.name, x, min, {}); }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& min) {
    return clamp_into(info.name, y, x, min, {});
  }
  void save(Needs, const Tensor& x_, const Scalar& min, const Tensor&) { save_operand(x_, min, {}); }
};

struct ClampMax : ClampOperator {
  static constexpr OperatorInfo info = {
      .signature = "clamp_max(Tensor self, Scalar max) -> Tensor",
      .formula = "y = min(x, upper);  dx = dy where x <= upper, else 0",
      .doc = "clamp with an upper bound alone.",
      .dtypes = kAnyDtype,
      .node = "ClampMaxBackward0",
      .inplace = "clamp_max_(Tensor self, Scalar max) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& max) { return clamped(info.name, x, {}, max); }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& max) {
    return clamp_into(info.name, y, x, {}, max);
  }
  void save(Needs, const Tensor& x_, const Scalar& max, const Tensor&) { save_operand(x_, {}, max); }
};

}  // namespace

#include <backflow/ops/clamp_functions.inc>

OperatorFamily clamp_operators() { return family<Clamp, ClampMin, ClampMax>("clamp"); }

}  // namespace backflow
