// The activations whose gradients are operators of their own.
#include <backflow/ops/elementwise/fused_gradient_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// An activation whose gradient is f(dy, y): one kernel, or an operator of its own when it is recorded.
template <class F, Tensor (*kRecorded)(const Tensor&, const Tensor&)>
struct GradientFromResult : SavesResult {
  void backward(Backward& b) const {
    const Tensor value = b(y);
    b.dx(0) = GradMode::is_enabled() ? kRecorded(b.dy(), value) : fused_gradient(b, F{}, value, {});
  }
};

struct Relu : NumericOperator<Relu, functions::Relu>, GradientFromResult<functions::ReluBackward, relu_backward> {
  static constexpr OperatorInfo info = {
      .signature = "relu(Tensor self) -> Tensor",
      .formula = "y = max(x, 0);  dx = dy where y > 0, else 0",
      .doc = "Rectified linear unit, of every dtype but bool.",
      .dtypes = kNumericDtypes,
      .node = "ReluBackward0",
      .inplace = "relu_(Tensor self) -> Tensor",
  };
};

struct Tanh : UnaryOperator<functions::Tanh>, GradientFromResult<functions::TanhBackward, tanh_backward> {
  static constexpr OperatorInfo info = {
      .signature = "tanh(Tensor self) -> Tensor",
      .formula = "y = tanh(x);  dx = dy (1 - y^2)",
      .doc = "Hyperbolic tangent; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "TanhBackward0",
      .inplace = "tanh_(Tensor self) -> Tensor",
  };
};

struct Sigmoid : UnaryOperator<functions::Sigmoid>, GradientFromResult<functions::SigmoidBackward, sigmoid_backward> {
  static constexpr OperatorInfo info = {
      .signature = "sigmoid(Tensor self) -> Tensor",
      .formula = "y = 1 / (1 + e^-x);  dx = dy y (1 - y)",
      .doc = "Logistic function; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "SigmoidBackward0",
      .inplace = "sigmoid_(Tensor self) -> Tensor",
  };
};

/// A gradient f(dy, y) whose own gradients need both.
template <class Op, class F>
struct GradientOperator : BinaryOperator<Op, F, true> {
  SavedTensor dy;
  SavedTensor y;
  void save(Needs, const Tensor& dy_, const Tensor& y_, const Tensor& dx) {
    this->save_geometry(dy_, y_, dx);
    dy.save(dy_);
    y.save(y_);
  }
};

struct ReluGradient : BinaryOperator<ReluGradient, functions::ReluBackward, true> {
  static constexpr OperatorInfo info = {
      .signature = "relu_backward(Tensor grad, Tensor result) -> Tensor",
      .formula = "dx = dy where y > 0, else 0",
      .doc = "The gradient of relu, from dy and y; linear in the first operand.",
      .dtypes = kAnyDtype,
      .node = "ThresholdBackwardBackward0",
  };
  SavedTensor y;
  void save(Needs, const Tensor& dy, const Tensor& y_, const Tensor& dx) {
    save_geometry(dy, y_, dx);
    y.save(y_);
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return to_x(relu_backward(b.dy(), b(y))); });
    b.set_dx(1, [&] { return zeros_like(b(y)); });
  }
};

struct TanhGradient : GradientOperator<TanhGradient, functions::TanhBackward> {
  static constexpr OperatorInfo info = {
      .signature = "tanh_backward(Tensor grad, Tensor result) -> Tensor",
      .formula = "dx = dy (1 - y^2);  its own gradients are g (1 - y^2) and -2 g dy y",
      .doc = "The gradient of tanh, from dy and y.",
      .dtypes = kAnyDtype,
      .node = "TanhBackwardBackward0",
  };
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return to_x(tanh_backward(b.dy(), b(y))); });
    b.set_dx(1, [&] { return to_w(b.dy() * b(dy) * b(y) * -2); });
  }
};

struct SigmoidGradient : GradientOperator<SigmoidGradient, functions::SigmoidBackward> {
  static constexpr OperatorInfo info = {
      .signature = "sigmoid_backward(Tensor grad, Tensor result) -> Tensor",
      .formula = "dx = dy y (1 - y);  its own gradients are g y (1 - y) and g dy (1 - 2 y)",
      .doc = "The gradient of sigmoid, from dy and y.",
      .dtypes = kAnyDtype,
      .node = "SigmoidBackwardBackward0",
  };
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return to_x(sigmoid_backward(b.dy(), b(y))); });
    b.set_dx(1, [&] { return to_w(b.dy() * b(dy) * rsub(b(y) * 2, 1)); });
  }
};

}  // namespace

#include <backflow/ops/relu_tanh_sigmoid_functions.inc>

OperatorFamily relu_tanh_sigmoid_operators() {
  return family<Relu, Tanh, Sigmoid, ReluGradient, TanhGradient, SigmoidGradient>("relu_tanh_sigmoid");
}

}  // namespace backflow
