// Sums with a weight or with a product, of three operands.
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/elementwise/numbers_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// Shapes, dtypes and the kernel of `y = f(x, w, v)` with broadcasting; `Op` adds the gradient.
template <class Op, class F>
struct TernaryOperator {
  OperandGeometry x_geometry;
  OperandGeometry w_geometry;
  OperandGeometry v_geometry;

  static DimVector shape(const Tensor& x, const Tensor& w, const Tensor& v) {
    return broadcast_shapes(Op::info.name, x.sizes(), broadcast_shapes(Op::info.name, w.sizes(), v.sizes()));
  }
  /// The dtype of all three: a tensor without dimensions counts only by its kind beside one that has some.
  static ScalarType dtype(const Tensor& x, const Tensor& w, const Tensor& v) {
    std::optional<ScalarType> strong;
    std::optional<ScalarType> weak;
    for (const Tensor* operand : {&x, &w, &v}) {
      std::optional<ScalarType>& common = operand->dim() > 0 ? strong : weak;
      common = common ? promote_types(*common, operand->scalar_type()) : operand->scalar_type();
    }
    return !strong ? *weak : weak ? promote_weak(*strong, *weak) : *strong;
  }
  static Tensor compute(const Tensor& x, const Tensor& w, const Tensor& v, const Scalar& factor) {
    const ScalarType common = dtype(x, w, v);
    check_number(Op::info.name, factor, common);
    Tensor y = empty_result(shape(x, w, v), common, x);
    kernels::ternary(F{}, y, Cast(x, common), Cast(w, common), Cast(v, common), {factor.to<double>()});
    return y;
  }
  /// True when `y`, whose shape is that of x, may become f(x, w, v) in place.
  static bool fits(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& v) {
    return may_overwrite(y, w) && may_overwrite(y, v) && y.is_floating_point() && dtype(x, w, v) == y.scalar_type() &&
           shape(x, w, v) == DimVector(y.sizes());
  }
  static bool compute_into(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& v, const Scalar& factor) {
    if (!fits(y, x, w, v)) {
      return false;
    }
    const ScalarType common = y.scalar_type();
    check_number(Op::info.name, factor, common);
    kernels::ternary(F{}, y, x, Cast(w, common), Cast(v, common), {factor.to<double>()});
    return true;
  }

 protected:
  void save_geometry(const Tensor& x, const Tensor& w, const Tensor& v, const Tensor& y) {
    x_geometry.save(x, y);
    w_geometry.save(w, y);
    v_geometry.save(v, y);
  }
};

struct Addcmul : TernaryOperator<Addcmul, functions::Addcmul> {
  static constexpr OperatorInfo info = {
      .signature = "addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
      .formula = "y = x + c w v;  dx = dy, dw = c dy v, dv = c dy w",
      .doc = "Sum with a multiple of a product; broadcast, the dtypes are promoted.",
      .dtypes = kNumericDtypes,
      .node = "AddcmulBackward0",
      .inplace = "addcmul_(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
  };
  SavedTensor w;
  SavedTensor v;
  Scalar factor;
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& v, const Scalar& value) {
    const ScalarType common = dtype(x, w, v);
    check(common != kBool, "addcmul: dtype bool: need numbers; to(kInt64) gives them");
    if (is_floating_point(common)) {
      return compute(x, w, v, value);
    }
    check_number(info.name, value, common);
    return add(x, mul(mul(w, v), value));
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& v, const Scalar& value) {
    return compute_into(y, x, w, v, value);
  }
  void save(Needs needs, const Tensor& x, const Tensor& w_, const Tensor& v_, const Scalar& value, const Tensor& y) {
    save_geometry(x, w_, v_, y);
    factor = value;
    if (needs[2]) {
      w.save(w_);
    }
    if (needs[1]) {
      v.save(v_);
    }
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return x_geometry.reduce(b.dy()); });
    b.set_dx(1, [&] { return w_geometry.reduce(b.dy() * (b(v) * factor)); });
    b.set_dx(2, [&] { return v_geometry.reduce(b.dy() * (b(w) * factor)); });
  }
};

struct Addcdiv : TernaryOperator<Addcdiv, functions::Addcdiv> {
  static constexpr OperatorInfo info = {
      .signature = "addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
      .formula = "y = x + c w / v;  dx = dy, dw = c dy / v, dv = -c dy w / v^2",
      .doc = "Sum with a multiple of a quotient; broadcast, the dtypes are promoted. An Error for integers.",
      .dtypes = kFloatingDtypes,
      .node = "AddcdivBackward0",
      .inplace = "addcdiv_(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
  };
  SavedTensor w;
  SavedTensor v;
  Scalar factor;
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& v, const Scalar& value) {
    check(is_floating_point(dtype(x, w, v)), "addcdiv: dtype ", short_name(dtype(x, w, v)),
          ": need floating-point tensors; to(kFloat32) gives one");
    return compute(x, w, v, value);
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& v, const Scalar& value) {
    return compute_into(y, x, w, v, value);
  }
  void save(Needs needs, const Tensor& x, const Tensor& w_, const Tensor& v_, const Scalar& value, const Tensor& y) {
    save_geometry(x, w_, v_, y);
    factor = value;
    v.save(v_);
    if (needs[2]) {
      w.save(w_);
    }
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return x_geometry.reduce(b.dy()); });
    b.set_dx(1, [&] { return w_geometry.reduce(b.dy() * factor / b(v)); });
    b.set_dx(2, [&] { return v_geometry.reduce(b.dy() * (b(w) / b(v)) / b(v) * -factor); });
  }
};

struct Lerp : TernaryOperator<Lerp, functions::Lerp> {
  static constexpr OperatorInfo info = {
      .signature = "lerp(Tensor self, Tensor end, Tensor weight) -> Tensor",
      .formula = "y = x + v (w - x);  dx = dy (1 - v), dw = dy v, dv = dy (w - x)",
      .doc = "Linear interpolation between two tensors, exact at both ends; broadcast, all three of one dtype.",
      .dtypes = kFloatingDtypes,
      .node = "LerpBackward1",
      .inplace = "lerp_(Tensor self, Tensor end, Tensor weight) -> Tensor",
  };
  SavedTensor x;
  SavedTensor w;
  SavedTensor v;
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& v) {
    check_dtypes(x, w, v);
    return compute(x, w, v, 1);
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& v) {
    check_dtypes(x, w, v);
    return compute_into(y, x, w, v, 1);
  }
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const Tensor& v_, const Tensor& y) {
    save_geometry(x_, w_, v_, y);
    v.save(v_);
    if (needs[2]) {
      x.save(x_);
      w.save(w_);
    }
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return x_geometry.reduce(b.dy() * rsub(b(v), 1)); });
    b.set_dx(1, [&] { return w_geometry.reduce(b.dy() * b(v)); });
    b.set_dx(2, [&] { return v_geometry.reduce(b.dy() * (b(w) - b(x))); });
  }

 private:
  static void check_dtypes(const Tensor& x, const Tensor& w, const Tensor& v) {
    const ScalarType dtype = x.scalar_type();
    check(x.is_floating_point() && w.scalar_type() == dtype && v.scalar_type() == dtype, "lerp: ", describe(x), ", ",
          describe(w), " and weight ", describe(v), ": need tensors of one floating-point dtype");
  }
};

struct LerpScalar {
  static constexpr OperatorInfo info = {
      .signature = "lerp(Tensor self, Tensor end, Scalar weight) -> Tensor",
      .formula = "y = x + c (w - x)",
      .doc = "The same with a number as weight.",
      .dtypes = kFloatingDtypes,
      .inplace = "lerp_(Tensor self, Tensor end, Scalar weight) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Scalar& weight) {
    return lerp(x, w, number_as(info.name, weight, result_type(x.scalar_type(), weight)));
  }
};

}  // namespace

#include <backflow/ops/lerp_and_addcmul_functions.inc>

OperatorFamily lerp_and_addcmul_operators() { return family<Addcmul, Addcdiv, Lerp, LerpScalar>("lerp_and_addcmul"); }

}  // namespace backflow
