// Hyperbolic functions and their inverses; tanh is among the activations.
#include <backflow/ops/elementwise/guarded_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct Sinh : UnaryOperator<functions::Sinh>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "sinh(Tensor self) -> Tensor",
      .formula = "y = (e^x - e^-x) / 2;  dx = dy cosh(x)",
      .doc = "Hyperbolic sine; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "SinhBackward0",
      .inplace = "sinh_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * cosh(b(x)); }
};

struct Cosh : UnaryOperator<functions::Cosh>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "cosh(Tensor self) -> Tensor",
      .formula = "y = (e^x + e^-x) / 2;  dx = dy sinh(x)",
      .doc = "Hyperbolic cosine; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "CoshBackward0",
      .inplace = "cosh_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = b.dy() * sinh(b(x)); }
};

struct Asinh : UnaryOperator<functions::Asinh>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "asinh(Tensor self) -> Tensor",
      .formula = "y = arsinh(x);  dx = dy / sqrt(x^2 + 1)",
      .doc = "Inverse of the hyperbolic sine; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "AsinhBackward0",
      .inplace = "asinh_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const {
    const Tensor value = b(x);
    b.dx(0) =
        GradMode::is_enabled() ? recorded(b.dy(), value) : guarded_gradient(functions::AsinhBackward{}, b.dy(), value);
  }

 private:
  static Tensor recorded(const Tensor& dy, const Tensor& value) {
    const auto [near, times] = NearAndTimes(value);
    return dy * rsqrt(near * near + 1) / times;
  }
};

struct Acosh : UnaryOperator<functions::Acosh>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "acosh(Tensor self) -> Tensor",
      .formula = "y = arcosh(x);  dx = dy / sqrt(x^2 - 1)",
      .doc = "Inverse of the hyperbolic cosine, NaN below 1; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "AcoshBackward0",
      .inplace = "acosh_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const {
    const Tensor value = b(x);
    b.dx(0) =
        GradMode::is_enabled() ? recorded(b.dy(), value) : guarded_gradient(functions::AcoshBackward{}, b.dy(), value);
  }

 private:
  static Tensor recorded(const Tensor& dy, const Tensor& value) {
    const auto [near, times] = NearAndTimes(value);
    return dy * (rsqrt(near - 1) * rsqrt(near + 1)) / times;  // NaN below 1
  }
};

struct Atanh : UnaryOperator<functions::Atanh>, SavesOperand {
  static constexpr OperatorInfo info = {
      .signature = "atanh(Tensor self) -> Tensor",
      .formula = "y = artanh(x);  dx = dy / (1 - x^2)",
      .doc = "Inverse of the hyperbolic tangent, NaN outside of [-1, 1]; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "AtanhBackward0",
      .inplace = "atanh_(Tensor self) -> Tensor",
  };
  void backward(Backward& b) const {
    const Tensor value = b(x);
    b.dx(0) = GradMode::is_enabled() ? b.dy() / ((1 - value) * (1 + value))
                                     : guarded_gradient(functions::AtanhBackward{}, b.dy(), value);
  }
};

}  // namespace

#include <backflow/ops/hyperbolic_functions.inc>

OperatorFamily hyperbolic_operators() { return family<Sinh, Cosh, Asinh, Acosh, Atanh>("hyperbolic"); }

}  // namespace backflow
