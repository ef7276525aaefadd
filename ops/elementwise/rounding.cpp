// Rounding.
#include <cmath>

#include <backflow/ops/elementwise/elementwise_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// Functions that leave integers as they are.
template <class Op, class F>
struct RoundingOperator : ZeroGradient {
  static Tensor forward(const Tensor& x) {
    Tensor y = empty_tensor_like(x, x.scalar_type());
    forward_into(y, x);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x) {
    check(x.scalar_type() != kBool, Op::info.name, ": dtype bool: need numbers; to(kInt64) gives them");
    if (x.is_floating_point()) {
      kernels::unary(F{}, y, x);
    } else if (!y.is_alias_of(x)) {
      kernels::copy(y, x);
    }
    return true;
  }
};

struct Floor : RoundingOperator<Floor, functions::Floor> {
  static constexpr OperatorInfo info = {
      .signature = "floor(Tensor self) -> Tensor",
      .formula = "y = the largest whole number <= x;  dx = 0",
      .doc = "Rounds down; integers stay as they are.",
      .dtypes = kNumericDtypes,
      .node = "FloorBackward0",
      .inplace = "floor_(Tensor self) -> Tensor",
  };
};

struct Ceil : RoundingOperator<Ceil, functions::Ceil> {
  static constexpr OperatorInfo info = {
      .signature = "ceil(Tensor self) -> Tensor",
      .formula = "y = the smallest whole number >= x;  dx = 0",
      .doc = "Rounds up; integers stay as they are.",
      .dtypes = kNumericDtypes,
      .node = "CeilBackward0",
      .inplace = "ceil_(Tensor self) -> Tensor",
  };
};

struct Round : RoundingOperator<Round, functions::Round> {
  static constexpr OperatorInfo info = {
      .signature = "round(Tensor self) -> Tensor",
      .formula = "y = the nearest whole number, of two the even one;  dx = 0",
      .doc = "Rounds to the nearest; integers stay as they are.",
      .dtypes = kNumericDtypes,
      .node = "RoundBackward0",
      .inplace = "round_(Tensor self) -> Tensor",
  };
};

struct RoundDecimals : ZeroGradient {
  static constexpr OperatorInfo info = {
      .signature = "round(Tensor self, *, int decimals) -> Tensor",
      .formula = "y = round(x 10^n) / 10^n;  dx = 0",
      .doc = "Rounds to a number of decimals, or where that is negative to a power of ten; floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "RoundBackward1",
      .inplace = "round_(Tensor self, *, int decimals) -> Tensor",
  };
  static Tensor forward(const Tensor& x, std::int64_t decimals) {
    Tensor y = empty_tensor_like(x, x.scalar_type());
    forward_into(y, x, decimals);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, std::int64_t decimals) {
    check_has(info.name, functions::RoundTo{}, x.scalar_type());
    const double power = std::pow(10.0, std::abs(static_cast<double>(decimals)));
    kernels::unary(functions::RoundTo{}, y, x, decimals < 0 ? kernels::Params{1, power} : kernels::Params{power, 1});
    return true;
  }
};

struct Trunc : RoundingOperator<Trunc, functions::Trunc> {
  static constexpr OperatorInfo info = {
      .signature = "trunc(Tensor self) -> Tensor",
      .formula = "y = x without its fraction;  dx = 0",
      .doc = "Rounds towards zero; integers stay as they are.",
      .dtypes = kNumericDtypes,
      .node = "TruncBackward0",
      .inplace = "trunc_(Tensor self) -> Tensor",
  };
};

struct Frac : NumericOperator<Frac, functions::Frac> {
  static constexpr OperatorInfo info = {
      .signature = "frac(Tensor self) -> Tensor",
      .formula = "y = x - trunc(x);  dx = dy",
      .doc = "The fractional part, with the sign of x; floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "FracBackward0",
      .inplace = "frac_(Tensor self) -> Tensor",
  };
  void save(Needs, const Tensor&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = b.dy(); }
};

}  // namespace

#include <backflow/ops/rounding_functions.inc>

OperatorFamily rounding_operators() { return family<Floor, Ceil, Round, RoundDecimals, Trunc, Frac>("rounding"); }

}  // namespace backflow
