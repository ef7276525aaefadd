// Algebraic functions of one operand.
#include <backflow/ops/elementwise/elementwise_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct Neg : NumericOperator<Neg, functions::Neg> {
  static constexpr OperatorInfo info = {
      .signature = "neg(Tensor self) -> Tensor",
      .formula = "y = -x;  dx = -dy",
      .doc = "Negative, of every dtype but bool.",
      .dtypes = kNumericDtypes,
      .node = "NegBackward0",
      .inplace = "neg_(Tensor self) -> Tensor",
  };
  void save(Needs, const Tensor&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = neg(b.dy()); }
};

struct Abs : NumericOperator<Abs, functions::Abs>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "abs(Tensor self) -> Tensor",
      .formula = "y = |x|;  dx = dy sign(x)",
      .doc = "Absolute value, of every dtype but bool.",
      .dtypes = kNumericDtypes,
      .node = "AbsBackward0",
      .inplace = "abs_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * sign(b(x)); }
};

struct Sign : NumericOperator<Sign, functions::Sign>, ZeroGradient {
  static constexpr OperatorInfo info = {
      .signature = "sign(Tensor self) -> Tensor",
      .formula = "y = 1 where x > 0, -1 where x < 0, else 0;  dx = 0",
      .doc = "Sign, of every dtype; that of NaN is 0, as in PyTorch.",
      .dtypes = kAnyDtype,
      .node = "SignBackward0",
      .inplace = "sign_(Tensor self) -> Tensor",
  };
};

struct Square {
  static constexpr OperatorInfo info = {
      .signature = "square(Tensor self) -> Tensor",
      .formula = "y = x^2",
      .doc = "pow(x, 2), of every dtype.",
      .dtypes = kAnyDtype,
      .inplace = "square_(Tensor self) -> Tensor",
  };
  static Tensor forward(const Tensor& x) { return pow(x, 2); }
  static bool forward_into(const Tensor& y, const Tensor& x) {
    kernels::binary(functions::Mul{}, y, x, x);
    return true;
  }
};

struct Sqrt : UnaryOperator<functions::Sqrt>, SavesResult {
  static constexpr OperatorInfo info = {
      .signature = "sqrt(Tensor self) -> Tensor",
      .formula = "y = x^(1/2);  dx = dy / (2 y)",
      .doc = "Square root; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "SqrtBackward0",
      .inplace = "sqrt_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() / (b(y) * 2); }
};

struct Rsqrt : UnaryOperator<functions::Rsqrt>, SavesResult {
  static constexpr OperatorInfo info = {
      .signature = "rsqrt(Tensor self) -> Tensor",
      .formula = "y = x^(-1/2);  dx = -dy y^3 / 2",
      .doc = "Reciprocal of the square root; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "RsqrtBackward0",
      .inplace = "rsqrt_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * b(y) * b(y) * (b(y) * -0.5); }
};

struct Reciprocal : UnaryOperator<functions::Reciprocal>, SavesResult {
  static constexpr OperatorInfo info = {
      .signature = "reciprocal(Tensor self) -> Tensor",
      .formula = "y = 1 / x;  dx = -dy y^2",
      .doc = "Reciprocal; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "ReciprocalBackward0",
      .inplace = "reciprocal_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = neg(b.dy()) * b(y) * b(y); }
};

}  // namespace

#include <backflow/ops/algebra_functions.inc>

OperatorFamily algebra_operators() { return family<Neg, Abs, Sign, Square, Sqrt, Rsqrt, Reciprocal>("algebra"); }

}  // namespace backflow
