// Exponentials and logarithms.
#include <limits>
#include <numbers>

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/elementwise/masks_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct Exp : UnaryOperator<functions::Exp>, SavesResult {
  static constexpr OperatorInfo info = {
      .signature = "exp(Tensor self) -> Tensor",
      .formula = "y = e^x;  dx = dy y",
      .doc = "Exponential; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "ExpBackward0",
      .inplace = "exp_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * b(y); }
};

struct Expm1 : UnaryOperator<functions::Expm1>, SavesResult {
  static constexpr OperatorInfo info = {
      .signature = "expm1(Tensor self) -> Tensor",
      .formula = "y = e^x - 1;  dx = dy (y + 1)",
      .doc = "e^x - 1, exact near 0; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "Expm1Backward0",
      .inplace = "expm1_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * (b(y) + 1); }
};

struct Exp2 : UnaryOperator<functions::Exp2>, SavesResult {
  static constexpr OperatorInfo info = {
      .signature = "exp2(Tensor self) -> Tensor",
      .formula = "y = 2^x;  dx = dy y ln(2)",
      .doc = "Power of two; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "Exp2Backward0",
      .inplace = "exp2_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * (b(y) * std::numbers::ln2); }
};

struct Log : UnaryOperator<functions::Log>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "log(Tensor self) -> Tensor",
      .formula = "y = ln(x);  dx = dy / x",
      .doc = "Natural logarithm; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "LogBackward0",
      .inplace = "log_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() / b(x); }
};

struct Log1p : UnaryOperator<functions::Log1p>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "log1p(Tensor self) -> Tensor",
      .formula = "y = ln(1 + x);  dx = dy / (1 + x)",
      .doc = "Logarithm of 1 + x, exact near 0; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "Log1PBackward0",
      .inplace = "log1p_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() / (b(x) + 1); }
};

struct Log2 : UnaryOperator<functions::Log2>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "log2(Tensor self) -> Tensor",
      .formula = "y = log2(x);  dx = dy / (x ln(2))",
      .doc = "Logarithm to base 2; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "Log2Backward0",
      .inplace = "log2_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() / (b(x) * std::numbers::ln2); }
};

struct Log10 : UnaryOperator<functions::Log10>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "log10(Tensor self) -> Tensor",
      .formula = "y = log10(x);  dx = dy / (x ln(10))",
      .doc = "Logarithm to base 10; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "Log10Backward0",
      .inplace = "log10_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() / (b(x) * std::numbers::ln10); }
};

struct Logit {
  static constexpr OperatorInfo info = {
      .signature = "logit(Tensor self, float? eps=None) -> Tensor",
      .formula = "y = log(x / (1 - x));  dx = dy / (x (1 - x)), 0 outside of [eps, 1 - eps], NaN outside of [0, 1]",
      .doc = "Inverse of the sigmoid, with x kept within [eps, 1 - eps] where eps is given; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "LogitBackward0",
      .inplace = "logit_(Tensor self, float? eps=None) -> Tensor",
  };
  SavedTensor x;
  std::optional<double> eps;
  static Tensor forward(const Tensor& x, std::optional<double> eps) {
    Tensor y = empty_result_like(x, floating(x.scalar_type()));
    kernels::unary(functions::Logit{}, y, Cast(x, y.scalar_type()), {eps.value_or(-1)});
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, std::optional<double> eps) {
    if (!y.is_floating_point()) {
      return false;
    }
    kernels::unary(functions::Logit{}, y, x, {eps.value_or(-1)});
    return true;
  }
  void save(Needs, const Tensor& x_, std::optional<double> eps_, const Tensor&) {
    x.save(x_);
    eps = eps_;
  }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    const Tensor inside = both(where_holds(functions::GreaterEqual{}, value, eps.value_or(0)),
                               where_holds(functions::LessEqual{}, value, 1 - eps.value_or(0)));
    const Tensor dx = b.dy() / (value * (1 - value));
    b.dx(0) = eps && *eps >= 0 ? relu_backward(dx, inside)
                               : choose(inside, dx, full_like(dx, std::numeric_limits<double>::quiet_NaN()));
  }
};

}  // namespace

#include <backflow/ops/exponentials_functions.inc>

OperatorFamily exponentials_operators() {
  return family<Exp, Expm1, Exp2, Log, Log1p, Log2, Log10, Logit>("exponentials");
}

}  // namespace backflow
