// The error function and its complement.
#include <numbers>

#include <backflow/ops/elementwise/elementwise_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// The slope of the error function, 2 e^(-x^2) / sqrt(pi). Its own slope at infinity is 0 where x is kept finite.
Tensor erf_slope(const Tensor& x) {
  const Tensor finite = GradMode::is_enabled() ? clamp(x, -100, 100) : x;
  return exp(neg(finite * finite)) * (2 * std::numbers::inv_sqrtpi);
}

struct Erf : UnaryOperator<functions::Erf>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "erf(Tensor self) -> Tensor",
      .formula = "y = 2 / sqrt(pi) (integral of e^(-t^2) from 0 to x);  dx = 2 dy e^(-x^2) / sqrt(pi)",
      .doc = "Error function; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "ErfBackward0",
      .inplace = "erf_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * erf_slope(b(x)); }
};

struct Erfc : UnaryOperator<functions::Erfc>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "erfc(Tensor self) -> Tensor",
      .formula = "y = 1 - erf(x);  dx = -2 dy e^(-x^2) / sqrt(pi)",
      .doc = "Complement of the error function, exact in its tail; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "ErfcBackward0",
      .inplace = "erfc_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = neg(b.dy() * erf_slope(b(x))); }
};

}  // namespace

#include <backflow/ops/error_function_functions.inc>

OperatorFamily error_function_operators() { return family<Erf, Erfc>("error_function"); }

}  // namespace backflow
