// Trigonometric functions, of radians, and their inverses.
#include <backflow/ops/elementwise/guarded_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct Sin : UnaryOperator<functions::Sin>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "sin(Tensor self) -> Tensor",
      .formula = "y = sin(x);  dx = dy cos(x)",
      .doc = "Sine of radians; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "SinBackward0",
      .inplace = "sin_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * cos(b(x)); }
};

struct Cos : UnaryOperator<functions::Cos>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "cos(Tensor self) -> Tensor",
      .formula = "y = cos(x);  dx = -dy sin(x)",
      .doc = "Cosine of radians; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "CosBackward0",
      .inplace = "cos_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * neg(sin(b(x))); }
};

struct Tan : UnaryOperator<functions::Tan>, SavesResult {
  static constexpr OperatorInfo info = {
      .signature = "tan(Tensor self) -> Tensor",
      .formula = "y = tan(x);  dx = dy (1 + y^2)",
      .doc = "Tangent of radians; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "TanBackward0",
      .inplace = "tan_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * (b(y) * b(y) + 1); }
};

struct Asin : UnaryOperator<functions::Asin>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "asin(Tensor self) -> Tensor",
      .formula = "y = arcsin(x);  dx = dy / sqrt(1 - x^2)",
      .doc = "Inverse of the sine, NaN outside of [-1, 1]; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "AsinBackward0",
      .inplace = "asin_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const {
    const Tensor value = b(x);
    b.dx(0) = GradMode::is_enabled() ? b.dy() * rsqrt((1 - value) * (1 + value))
                                     : guarded_gradient(functions::AsinBackward{}, b.dy(), value);
  }
};

struct Acos : UnaryOperator<functions::Acos>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "acos(Tensor self) -> Tensor",
      .formula = "y = arccos(x);  dx = -dy / sqrt(1 - x^2)",
      .doc = "Inverse of the cosine, NaN outside of [-1, 1]; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "AcosBackward0",
      .inplace = "acos_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const {
    const Tensor value = b(x);
    b.dx(0) = GradMode::is_enabled() ? neg(b.dy() * rsqrt((1 - value) * (1 + value)))
                                     : guarded_gradient(functions::AcosBackward{}, b.dy(), value);
  }
};

struct Atan : UnaryOperator<functions::Atan>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "atan(Tensor self) -> Tensor",
      .formula = "y = arctan(x);  dx = dy / (1 + x^2)",
      .doc = "Inverse of the tangent; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "AtanBackward0",
      .inplace = "atan_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const {
    const Tensor value = b(x);
    b.dx(0) =
        GradMode::is_enabled() ? recorded(b.dy(), value) : guarded_gradient(functions::AtanBackward{}, b.dy(), value);
  }

 private:
  static Tensor recorded(const Tensor& dy, const Tensor& value) {
    const auto [near, times] = NearAndTimes(value);
    return dy / (near * near + 1) / times / times;
  }
};

}  // namespace

#include <backflow/ops/trigonometry_functions.inc>

OperatorFamily trigonometry_operators() { return family<Sin, Cos, Tan, Asin, Acos, Atan>("trigonometry"); }

}  // namespace backflow
