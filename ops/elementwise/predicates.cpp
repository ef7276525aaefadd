// Properties of numbers, as truth values.
#include <backflow/ops/elementwise/elementwise_internal.h>

namespace backflow {
namespace {

using namespace detail;

template <class F>
struct PredicateOperator {
  static Tensor forward(const Tensor& x) {
    Tensor y = empty_result_like(x, kBool);
    kernels::test(F{}, y, x);
    return y;
  }
};

struct IsNan : PredicateOperator<functions::IsNan> {
  static constexpr OperatorInfo info = {
      .signature = "isnan(Tensor self) -> Tensor",
      .formula = "y = whether x != x",
      .doc = "Where x is NaN, as bool; not differentiable.",
      .dtypes = kAnyDtype,
  };
};

struct IsInf : PredicateOperator<functions::IsInf> {
  static constexpr OperatorInfo info = {
      .signature = "isinf(Tensor self) -> Tensor",
      .formula = "y = whether |x| = infinity",
      .doc = "Where x is infinite, as bool; not differentiable.",
      .dtypes = kAnyDtype,
  };
};

struct IsFinite : PredicateOperator<functions::IsFinite> {
  static constexpr OperatorInfo info = {
      .signature = "isfinite(Tensor self) -> Tensor",
      .formula = "y = whether |x| < infinity",
      .doc = "Where x is neither infinite nor NaN, as bool; not differentiable.",
      .dtypes = kAnyDtype,
  };
};

struct LogicalNot : PredicateOperator<functions::IsZero> {
  static constexpr OperatorInfo info = {
      .signature = "logical_not(Tensor self) -> Tensor",
      .formula = "y = whether x = 0",
      .doc = "Where x is zero, as bool; in place, 1 and 0 in the dtype of x; not differentiable.",
      .dtypes = kAnyDtype,
      .inplace = "logical_not_(Tensor self) -> Tensor",
  };
};

}  // namespace

#include <backflow/ops/predicates_functions.inc>

OperatorFamily predicates_operators() { return family<IsNan, IsInf, IsFinite, LogicalNot>("predicates"); }

}  // namespace backflow
