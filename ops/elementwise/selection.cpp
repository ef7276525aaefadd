// One of two operands, element by element.
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/elementwise/numbers_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// The larger or the smaller of two numbers. The gradient goes to the one that is taken, by halves where they are
/// equal.
template <class Op, class F>
struct ExtremeOperator : BinaryOperator<Op, F> {
  SavedTensor x;
  SavedTensor w;
  void save(Needs, const Tensor& x_, const Tensor& w_, const Tensor& y) {
    this->save_geometry(x_, w_, y);
    x.save(x_);
    w.save(w_);
  }
  void backward(Backward& b) const {
    const Tensor half = where(eq(b(x), b(w)), b.dy() / 2, b.dy());
    const Tensor w_taken = std::is_same_v<F, functions::Maximum> ? lt(b(x), b(w)) : gt(b(x), b(w));
    const Tensor x_taken = std::is_same_v<F, functions::Maximum> ? gt(b(x), b(w)) : lt(b(x), b(w));
    b.set_dx(0, [&] { return this->to_x(where(w_taken, 0, half)); });
    b.set_dx(1, [&] { return this->to_w(where(x_taken, 0, half)); });
  }
};

struct Maximum : ExtremeOperator<Maximum, functions::Maximum> {
  static constexpr OperatorInfo info = {
      .signature = "maximum(Tensor self, Tensor other) -> Tensor",
      .formula = "y = max(x, w);  dx = dy where x > w, dy / 2 where they are equal, else 0, dw the other way round",
      .doc = "The larger of two numbers, NaN where one is NaN; broadcast, the dtypes are promoted.",
      .dtypes = kAnyDtype,
      .node = "MaximumBackward0",
  };
};

struct Minimum : ExtremeOperator<Minimum, functions::Minimum> {
  static constexpr OperatorInfo info = {
      .signature = "minimum(Tensor self, Tensor other) -> Tensor",
      .formula = "y = min(x, w);  dx = dy where x < w, dy / 2 where they are equal, else 0, dw the other way round",
      .doc = "The smaller of two numbers, NaN where one is NaN; broadcast, the dtypes are promoted.",
      .dtypes = kAnyDtype,
      .node = "MinimumBackward0",
  };
};

struct MaxOfTwo {
  static constexpr OperatorInfo info = {
      .signature = "max(Tensor self, Tensor other) -> Tensor",
      .formula = "y = max(x, w)",
      .doc = "maximum(self, other).",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, const Tensor& w) { return maximum(x, w); }
};

struct MinOfTwo {
  static constexpr OperatorInfo info = {
      .signature = "min(Tensor self, Tensor other) -> Tensor",
      .formula = "y = min(x, w)",
      .doc = "minimum(self, other).",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, const Tensor& w) { return minimum(x, w); }
};

struct Where {
  static constexpr OperatorInfo info = {
      .signature = "where(Tensor condition, Tensor self, Tensor other) -> Tensor",
      .formula = "y = x where c, else w;  dx = dy where c, else 0, dw = 0 where c, else dy",
      .doc =
          "Elements of x where the bool condition is true, of w elsewhere. All three broadcast; the dtypes of x and w "
          "are promoted. An Error for a condition that is not bool.",
      .dtypes = kAnyDtype,
      .node = "WhereBackward0",
  };
  SavedTensor condition;
  OperandGeometry x_geometry;
  OperandGeometry w_geometry;
  static Tensor forward(const Tensor& condition, const Tensor& x, const Tensor& w) {
    check(condition.scalar_type() == kBool, "where: condition ", describe(condition),
          ": need bool; a comparison gives one");
    const DimVector both = broadcast_shapes("where", x.sizes(), w.sizes());
    const ScalarType common = common_dtype(x, w);
    Tensor y = empty_result(broadcast_shapes("where", condition.sizes(), both), common, condition);
    kernels::where(y, condition, Cast(x, common), Cast(w, common));
    return y;
  }
  void save(Needs, const Tensor& condition_, const Tensor& x, const Tensor& w, const Tensor& y) {
    condition.save(condition_);
    x_geometry.save(x, y);
    w_geometry.save(w, y);
  }
  void backward(Backward& b) const {
    b.set_dx(1, [&] { return x_geometry.reduce(where(b(condition), b.dy(), 0)); });
    b.set_dx(2, [&] { return w_geometry.reduce(where(b(condition), 0, b.dy())); });
  }
};

struct WhereTensorNumber {
  static constexpr OperatorInfo info = {
      .signature = "where(Tensor condition, Tensor self, Scalar other) -> Tensor",
      .formula = "y = x where a condition holds, else c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& condition, const Tensor& x, const Scalar& w) {
    return where(condition, x, number_as(info.name, w, result_type(x.scalar_type(), w)));
  }
};

struct WhereNumberTensor {
  static constexpr OperatorInfo info = {
      .signature = "where(Tensor condition, Scalar input, Tensor other) -> Tensor",
      .formula = "y = c where a condition holds, else w",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& condition, const Scalar& x, const Tensor& w) {
    return where(condition, number_as(info.name, x, result_type(w.scalar_type(), x)), w);
  }
};

struct WhereNumbers {
  static constexpr OperatorInfo info = {
      .signature = "where(Tensor condition, Scalar input, Scalar other) -> Tensor",
      .formula = "y = one number where a condition holds, else the other",
      .doc = "The same with two numbers: float32 when one is a fraction, else int64, or bool for truth values.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& condition, const Scalar& x, const Scalar& w) {
    const ScalarType dtype = promote_types(x.default_dtype(), w.default_dtype());
    return where(condition, number_as(info.name, x, dtype), number_as(info.name, w, dtype));
  }
};

}  // namespace

#include <backflow/ops/selection_functions.inc>

OperatorFamily selection_operators() {
  return family<Maximum, Minimum, MaxOfTwo, MinOfTwo, Where, WhereTensorNumber, WhereNumberTensor, WhereNumbers>(
      "selection");
}

}  // namespace backflow
