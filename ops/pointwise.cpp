// Element-wise arithmetic and activations. x, w are the operands, y the result; lower-case d marks gradients.
#include <backflow/ops/kernels/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>

namespace backflow {
namespace {

using kernels::Binary;
using kernels::Unary;

/// `x` converted to `dtype` off the tape, or x itself.
Tensor cast(const Tensor& x, ScalarType dtype) {
  if (x.scalar_type() == dtype) {
    return x;
  }
  Tensor y = empty_tensor(x.sizes(), dtype);
  kernels::copy(y, x);
  return y;
}

/// The dtype of a function that only floating-point numbers have.
ScalarType floating(ScalarType dtype) { return is_floating_point(dtype) ? dtype : kFloat32; }

/// The gradient `dx` of an operand of these sizes and dtype: summed over what was broadcast, cast back.
Tensor reduce_to(const Tensor& dx, IntArrayRef sizes, ScalarType dtype) {
  Tensor out = dx.sizes() == sizes ? dx : sum_to_size(dx, sizes);
  return out.scalar_type() == dtype ? out : to(out, dtype);
}

/// True when `y` may be written while `x` is read: they share no storage, or are the very same elements.
bool may_overwrite(const Tensor& y, const Tensor& x) {
  return y.impl().storage.get() != x.impl().storage.get() ||
         (y.storage_offset() == x.storage_offset() && y.sizes() == x.sizes() && y.strides() == x.strides());
}

/// Shapes, dtypes and the kernel of `y = f(x, w)` with broadcasting; `Op` adds the gradient.
template <class Op, Binary kF, bool kFloating = false>
struct BinaryOperator {
  DimVector x_sizes;
  DimVector w_sizes;
  ScalarType x_dtype;
  ScalarType w_dtype;

  static DimVector shape(const Tensor& x, const Tensor& w) {
    return x.sizes() == w.sizes() ? DimVector(x.sizes()) : broadcast_shapes(Op::info.name, x.sizes(), w.sizes());
  }
  static ScalarType dtype(const Tensor& x, const Tensor& w) {
    // As in PyTorch, a tensor without dimensions does not raise the dtype of one of the same kind that has some.
    ScalarType common = promote_types(x.scalar_type(), w.scalar_type());
    const bool same_kind = x.is_floating_point() == w.is_floating_point();
    if (same_kind && (x.dim() == 0) != (w.dim() == 0)) {
      common = x.dim() == 0 ? w.scalar_type() : x.scalar_type();
    }
    return kFloating ? floating(common) : common;
  }

  static Tensor forward(const Tensor& x, const Tensor& w) {
    const ScalarType common = dtype(x, w);
    Tensor y = empty_tensor(shape(x, w), common);
    kernels::binary(kF, y, cast(x, common), cast(w, common));
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& w) {
    if (!may_overwrite(y, w) || dtype(x, w) != y.scalar_type() || shape(x, w) != DimVector(y.sizes())) {
      return false;
    }
    kernels::binary(kF, y, x, cast(w, y.scalar_type()));
    return true;
  }

 protected:
  void save_geometry(const Tensor& x, const Tensor& w) {
    x_sizes = x.sizes();
    w_sizes = w.sizes();
    x_dtype = x.scalar_type();
    w_dtype = w.scalar_type();
  }
  Tensor to_x(const Tensor& dx) const { return reduce_to(dx, x_sizes, x_dtype); }
  Tensor to_w(const Tensor& dw) const { return reduce_to(dw, w_sizes, w_dtype); }
};

/// The same for `y = f(x, number)`.
template <class Op, Binary kF, bool kFloating = false>
struct ScalarOperator {
  ScalarType x_dtype;

  static ScalarType dtype(const Tensor& x, const Scalar& number) {
    const ScalarType common = result_type(x.scalar_type(), number);
    return kFloating ? floating(common) : common;
  }
  static Tensor forward(const Tensor& x, const Scalar& number) {
    const ScalarType common = dtype(x, number);
    Tensor y = empty_tensor(x.sizes(), common);
    kernels::binary(kF, y, cast(x, common), number);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& number) {
    if (dtype(x, number) != y.scalar_type()) {
      return false;
    }
    kernels::binary(kF, y, x, number);
    return true;
  }

 protected:
  Tensor to_x(const Tensor& dx) const { return dx.scalar_type() == x_dtype ? dx : to(dx, x_dtype); }
};

/// The same for `y = f(x)` on floating-point numbers.
template <Unary kF>
struct UnaryOperator {
  static Tensor forward(const Tensor& x) {
    const ScalarType dtype = floating(x.scalar_type());
    Tensor y = empty_tensor(x.sizes(), dtype);
    kernels::unary(kF, y, cast(x, dtype));
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x) {
    if (!y.is_floating_point()) {
      return false;
    }
    kernels::unary(kF, y, x);
    return true;
  }
};

using Needs = std::span<const bool>;

struct Add : BinaryOperator<Add, Binary::Add> {
  static constexpr OperatorInfo info = {
      .name = "add",
      .signature = "add(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x + w;  dx = dy, dw = dy",
      .doc = "Sum, broadcast; the dtypes are promoted.",
      .node = "AddBackward0",
      .inplace = "add_(Tensor self, Tensor other) -> Tensor",
  };
  void save(Needs, const Tensor& x, const Tensor& w, const Tensor&) { save_geometry(x, w); }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(b.dy());
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(b.dy());
    }
  }
};

struct AddScalar : ScalarOperator<AddScalar, Binary::Add> {
  static constexpr OperatorInfo info = {
      .name = "add",
      .signature = "add(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x + c;  dx = dy",
      .doc = "Sum with a number, which keeps the dtype unless it is a fraction and x integral.",
      .node = "AddBackward0",
      .inplace = "add_(Tensor self, Scalar other) -> Tensor",
  };
  void save(Needs, const Tensor& x, const Scalar&, const Tensor&) { x_dtype = x.scalar_type(); }
  void backward(Backward& b) const { b.dx(0) = to_x(b.dy()); }
};

struct AddScaled : BinaryOperator<AddScaled, Binary::Add> {
  static constexpr OperatorInfo info = {
      .name = "add",
      .signature = "add(Tensor self, Tensor other, Scalar alpha) -> Tensor",
      .formula = "y = x + alpha w;  dx = dy, dw = alpha dy",
      .doc = "Sum with a multiple of the second operand, broadcast.",
      .node = "AddBackward0",
      .inplace = "add_(Tensor self, Tensor other, Scalar alpha) -> Tensor",
  };
  Scalar factor;
  static Tensor forward(const Tensor& x, const Tensor& w, const Scalar& alpha) {
    return BinaryOperator::forward(x, mul(w, alpha));
  }
  void save(Needs, const Tensor& x, const Tensor& w, const Scalar& alpha, const Tensor&) {
    save_geometry(x, w);
    factor = alpha;
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(b.dy());
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(b.dy() * factor);
    }
  }
};

struct Sub : BinaryOperator<Sub, Binary::Sub> {
  static constexpr OperatorInfo info = {
      .name = "sub",
      .signature = "sub(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x - w;  dx = dy, dw = -dy",
      .doc = "Difference, broadcast; the dtypes are promoted.",
      .node = "SubBackward0",
      .inplace = "sub_(Tensor self, Tensor other) -> Tensor",
  };
  void save(Needs, const Tensor& x, const Tensor& w, const Tensor&) { save_geometry(x, w); }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(b.dy());
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(neg(b.dy()));
    }
  }
};

struct SubScalar : ScalarOperator<SubScalar, Binary::Sub> {
  static constexpr OperatorInfo info = {
      .name = "sub",
      .signature = "sub(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x - c;  dx = dy",
      .doc = "Difference with a number.",
      .node = "SubBackward0",
      .inplace = "sub_(Tensor self, Scalar other) -> Tensor",
  };
  void save(Needs, const Tensor& x, const Scalar&, const Tensor&) { x_dtype = x.scalar_type(); }
  void backward(Backward& b) const { b.dx(0) = to_x(b.dy()); }
};

struct SubScaled : BinaryOperator<SubScaled, Binary::Sub> {
  static constexpr OperatorInfo info = {
      .name = "sub",
      .signature = "sub(Tensor self, Tensor other, Scalar alpha) -> Tensor",
      .formula = "y = x - alpha w;  dx = dy, dw = -alpha dy",
      .doc = "Difference with a multiple of the second operand, broadcast.",
      .node = "SubBackward0",
      .inplace = "sub_(Tensor self, Tensor other, Scalar alpha) -> Tensor",
  };
  Scalar factor;
  static Tensor forward(const Tensor& x, const Tensor& w, const Scalar& alpha) {
    return BinaryOperator::forward(x, mul(w, alpha));
  }
  void save(Needs, const Tensor& x, const Tensor& w, const Scalar& alpha, const Tensor&) {
    save_geometry(x, w);
    factor = alpha;
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(b.dy());
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(neg(b.dy() * factor));
    }
  }
};

struct RsubScalar {
  static constexpr OperatorInfo info = {
      .name = "rsub",
      .signature = "rsub(Tensor self, Scalar other) -> Tensor",
      .formula = "y = c - x;  dx = -dy",
      .doc = "A number less a tensor.",
      .node = "RsubBackward1",
  };
  static Tensor forward(const Tensor& x, const Scalar& number) {
    const ScalarType dtype = result_type(x.scalar_type(), number);
    Tensor y = empty_tensor(x.sizes(), dtype);
    kernels::binary(Binary::Sub, y, number, cast(x, dtype));
    return y;
  }
  void save(Needs, const Tensor&, const Scalar&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = neg(b.dy()); }
};

struct Mul : BinaryOperator<Mul, Binary::Mul> {
  static constexpr OperatorInfo info = {
      .name = "mul",
      .signature = "mul(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x w;  dx = dy w, dw = dy x",
      .doc = "Element-wise product, broadcast; the dtypes are promoted.",
      .node = "MulBackward0",
      .inplace = "mul_(Tensor self, Tensor other) -> Tensor",
  };
  SavedTensor x;
  SavedTensor w;
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const Tensor&) {
    save_geometry(x_, w_);
    if (needs[0]) {
      w.save(w_);
    }
    if (needs[1]) {
      x.save(x_);
    }
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(b.dy() * b(w));
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(b.dy() * b(x));
    }
  }
};

struct MulScalar : ScalarOperator<MulScalar, Binary::Mul> {
  static constexpr OperatorInfo info = {
      .name = "mul",
      .signature = "mul(Tensor self, Scalar other) -> Tensor",
      .formula = "y = c x;  dx = c dy",
      .doc = "Product with a number.",
      .node = "MulBackward0",
      .inplace = "mul_(Tensor self, Scalar other) -> Tensor",
  };
  Scalar factor;
  void save(Needs, const Tensor& x, const Scalar& number, const Tensor&) {
    x_dtype = x.scalar_type();
    factor = number;
  }
  void backward(Backward& b) const { b.dx(0) = to_x(b.dy() * factor); }
};

struct Div : BinaryOperator<Div, Binary::Div, true> {
  static constexpr OperatorInfo info = {
      .name = "div",
      .signature = "div(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x / w;  dx = dy / w, dw = -dy x / w^2",
      .doc = "Element-wise quotient, broadcast; integers give float32.",
      .node = "DivBackward0",
      .inplace = "div_(Tensor self, Tensor other) -> Tensor",
  };
  SavedTensor x;
  SavedTensor w;
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const Tensor&) {
    save_geometry(x_, w_);
    w.save(w_);
    if (needs[1]) {
      x.save(x_);
    }
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(b.dy() / b(w));
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(neg(b.dy()) * (b(x) / b(w) / b(w)));
    }
  }
};

struct DivScalar : ScalarOperator<DivScalar, Binary::Div, true> {
  static constexpr OperatorInfo info = {
      .name = "div",
      .signature = "div(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x / c;  dx = dy / c",
      .doc = "Quotient with a number; integers give float32.",
      .node = "DivBackward0",
      .inplace = "div_(Tensor self, Scalar other) -> Tensor",
  };
  Scalar divisor;
  void save(Needs, const Tensor& x, const Scalar& number, const Tensor&) {
    x_dtype = x.scalar_type();
    divisor = number;
  }
  void backward(Backward& b) const { b.dx(0) = to_x(b.dy() / divisor); }
};

struct RdivScalar {
  static constexpr OperatorInfo info = {
      .name = "rdiv",
      .signature = "rdiv(Tensor input, Scalar other) -> Tensor",
      .formula = "y = c / x;  dx = -dy y / x",
      .doc = "A number divided by a tensor; integers give float32.",
      .node = "RdivBackward0",
  };
  SavedTensor x;
  SavedTensor y;
  static Tensor forward(const Tensor& x, const Scalar& number) {
    const ScalarType dtype = floating(x.scalar_type());
    Tensor y = empty_tensor(x.sizes(), dtype);
    kernels::binary(Binary::Div, y, number, cast(x, dtype));
    return y;
  }
  void save(Needs, const Tensor& x_, const Scalar&, const Tensor& y_) {
    x.save(x_);
    y.save_output(y_);
  }
  void backward(Backward& b) const { b.dx(0) = neg(b.dy()) * (b(y) / b(x)); }
};

struct Pow : BinaryOperator<Pow, Binary::Pow, true> {
  static constexpr OperatorInfo info = {
      .name = "pow",
      .signature = "pow(Tensor self, Tensor exponent) -> Tensor",
      .formula = "y = x^w;  dx = dy w x^(w-1), dw = dy y log(x), where y = 0 gives dw = 0",
      .doc = "Power, broadcast; integers give float32.",
      .node = "PowBackward1",
      .inplace = "pow_(Tensor self, Tensor exponent) -> Tensor",
  };
  SavedTensor x;
  SavedTensor w;
  SavedTensor y;
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const Tensor& y_) {
    save_geometry(x_, w_);
    x.save(x_);
    w.save(w_);
    if (needs[1]) {
      y.save_output(y_);
    }
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(b.dy() * (b(w) * pow(b(x), b(w) - 1)));
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(b.dy() * xlogy(b(y), b(x)));
    }
  }
};

struct PowScalar : ScalarOperator<PowScalar, Binary::Pow> {
  static constexpr OperatorInfo info = {
      .name = "pow",
      .signature = "pow(Tensor self, Scalar exponent) -> Tensor",
      .formula = "y = x^c;  dx = dy c x^(c-1)",
      .doc = "Power with a number as exponent; x is floating-point or c a square.",
      .node = "PowBackward0",
      .inplace = "pow_(Tensor self, Scalar exponent) -> Tensor",
  };
  SavedTensor x;
  Scalar exponent;
  static Tensor forward(const Tensor& x, const Scalar& exponent) {
    const ScalarType common = dtype(x, exponent);
    Tensor y = empty_tensor(x.sizes(), common);
    forward_into(y, cast(x, common), exponent);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& exponent) {
    if (dtype(x, exponent) != y.scalar_type()) {
      return false;
    }
    if (exponent.to<double>() == 2) {
      kernels::binary(Binary::Mul, y, x, x);
    } else if (exponent.to<double>() == 1) {
      kernels::copy(y, x);
    } else {
      check(y.is_floating_point(), "pow: ", describe(x), " to the power ", exponent.to<double>(),
            ": need a floating-point tensor; to(kFloat32) gives one");
      kernels::binary(Binary::Pow, y, x, exponent);
    }
    return true;
  }
  void save(Needs, const Tensor& x_, const Scalar& number, const Tensor&) {
    x_dtype = x_.scalar_type();
    x.save(x_);
    exponent = number;
  }
  void backward(Backward& b) const {
    const auto c = exponent.to<double>();
    if (c == 0) {
      b.dx(0) = zeros_like(b(x));
    } else {
      b.dx(0) = to_x(b.dy() * (pow(b(x), c - 1) * c));
    }
  }
};

struct Xlogy : BinaryOperator<Xlogy, Binary::Xlogy, true> {
  static constexpr OperatorInfo info = {
      .name = "xlogy",
      .signature = "xlogy(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x log(w), 0 where x = 0;  dx = dy log(w), dw = dy x / w",
      .doc = "x log(w) with 0 log(0) = 0, broadcast; integers give float32.",
      .node = "XlogyBackward0",
      .inplace = "xlogy_(Tensor self, Tensor other) -> Tensor",
  };
  SavedTensor x;
  SavedTensor w;
  void save(Needs, const Tensor& x_, const Tensor& w_, const Tensor&) {
    save_geometry(x_, w_);
    x.save(x_);
    w.save(w_);
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(b.dy() * log(b(w)));
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(b.dy() * (b(x) / b(w)));
    }
  }
};

struct Neg : UnaryOperator<Unary::Neg> {
  static constexpr OperatorInfo info = {
      .name = "neg",
      .signature = "neg(Tensor self) -> Tensor",
      .formula = "y = -x;  dx = -dy",
      .doc = "Negative, of every dtype.",
      .node = "NegBackward0",
      .inplace = "neg_(Tensor self) -> Tensor",
  };
  static Tensor forward(const Tensor& x) {
    Tensor y = empty_tensor(x.sizes(), x.scalar_type());
    kernels::unary(Unary::Neg, y, x);
    return y;
  }
  void save(Needs, const Tensor&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = neg(b.dy()); }
};

struct Exp : UnaryOperator<Unary::Exp> {
  static constexpr OperatorInfo info = {
      .name = "exp",
      .signature = "exp(Tensor self) -> Tensor",
      .formula = "y = e^x;  dx = dy y",
      .doc = "Exponential; integers give float32.",
      .node = "ExpBackward0",
      .inplace = "exp_(Tensor self) -> Tensor",
  };
  SavedTensor y;
  void save(Needs, const Tensor&, const Tensor& y_) { y.save_output(y_); }
  void backward(Backward& b) const { b.dx(0) = b.dy() * b(y); }
};

struct Log : UnaryOperator<Unary::Log> {
  static constexpr OperatorInfo info = {
      .name = "log",
      .signature = "log(Tensor self) -> Tensor",
      .formula = "y = ln(x);  dx = dy / x",
      .doc = "Natural logarithm; integers give float32.",
      .node = "LogBackward0",
      .inplace = "log_(Tensor self) -> Tensor",
  };
  SavedTensor x;
  void save(Needs, const Tensor& x_, const Tensor&) { x.save(x_); }
  void backward(Backward& b) const { b.dx(0) = b.dy() / b(x); }
};

struct Relu : UnaryOperator<Unary::Relu> {
  static constexpr OperatorInfo info = {
      .name = "relu",
      .signature = "relu(Tensor self) -> Tensor",
      .formula = "y = max(x, 0);  dx = dy where y > 0, else 0",
      .doc = "Rectified linear unit.",
      .node = "ReluBackward0",
      .inplace = "relu_(Tensor self) -> Tensor",
  };
  SavedTensor y;
  void save(Needs, const Tensor&, const Tensor& y_) { y.save_output(y_); }
  void backward(Backward& b) const { b.dx(0) = relu_backward(b.dy(), b(y)); }
};

struct Tanh : UnaryOperator<Unary::Tanh> {
  static constexpr OperatorInfo info = {
      .name = "tanh",
      .signature = "tanh(Tensor self) -> Tensor",
      .formula = "y = tanh(x);  dx = dy (1 - y^2)",
      .doc = "Hyperbolic tangent; integers give float32.",
      .node = "TanhBackward0",
      .inplace = "tanh_(Tensor self) -> Tensor",
  };
  SavedTensor y;
  void save(Needs, const Tensor&, const Tensor& y_) { y.save_output(y_); }
  void backward(Backward& b) const { b.dx(0) = tanh_backward(b.dy(), b(y)); }
};

struct Sigmoid : UnaryOperator<Unary::Sigmoid> {
  static constexpr OperatorInfo info = {
      .name = "sigmoid",
      .signature = "sigmoid(Tensor self) -> Tensor",
      .formula = "y = 1 / (1 + e^-x);  dx = dy y (1 - y)",
      .doc = "Logistic function; integers give float32.",
      .node = "SigmoidBackward0",
      .inplace = "sigmoid_(Tensor self) -> Tensor",
  };
  SavedTensor y;
  void save(Needs, const Tensor&, const Tensor& y_) { y.save_output(y_); }
  void backward(Backward& b) const { b.dx(0) = sigmoid_backward(b.dy(), b(y)); }
};

struct ReluGradient : BinaryOperator<ReluGradient, Binary::ReluBackward, true> {
  static constexpr OperatorInfo info = {
      .name = "relu_backward",
      .signature = "relu_backward(Tensor grad, Tensor result) -> Tensor",
      .formula = "dx = dy where y > 0, else 0",
      .doc = "The gradient of relu, from that of its result and the result; linear in the first operand.",
      .node = "ThresholdBackwardBackward0",
  };
  SavedTensor y;
  void save(Needs, const Tensor& dy, const Tensor& y_, const Tensor&) {
    save_geometry(dy, y_);
    y.save(y_);
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(relu_backward(b.dy(), b(y)));
    }
    if (b.wants(1)) {
      b.dx(1) = zeros_like(b(y));
    }
  }
};

struct TanhGradient : BinaryOperator<TanhGradient, Binary::TanhBackward, true> {
  static constexpr OperatorInfo info = {
      .name = "tanh_backward",
      .signature = "tanh_backward(Tensor grad, Tensor result) -> Tensor",
      .formula = "dx = dy (1 - y^2);  its own gradients are g (1 - y^2) and -2 g dy y",
      .doc = "The gradient of tanh, from that of its result and the result.",
      .node = "TanhBackwardBackward0",
  };
  SavedTensor dy;
  SavedTensor y;
  void save(Needs, const Tensor& dy_, const Tensor& y_, const Tensor&) {
    save_geometry(dy_, y_);
    dy.save(dy_);
    y.save(y_);
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(tanh_backward(b.dy(), b(y)));
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(b.dy() * b(dy) * b(y) * -2);
    }
  }
};

struct SigmoidGradient : BinaryOperator<SigmoidGradient, Binary::SigmoidBackward, true> {
  static constexpr OperatorInfo info = {
      .name = "sigmoid_backward",
      .signature = "sigmoid_backward(Tensor grad, Tensor result) -> Tensor",
      .formula = "dx = dy y (1 - y);  its own gradients are g y (1 - y) and g dy (1 - 2 y)",
      .doc = "The gradient of sigmoid, from that of its result and the result.",
      .node = "SigmoidBackwardBackward0",
  };
  SavedTensor dy;
  SavedTensor y;
  void save(Needs, const Tensor& dy_, const Tensor& y_, const Tensor&) {
    save_geometry(dy_, y_);
    dy.save(dy_);
    y.save(y_);
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = to_x(sigmoid_backward(b.dy(), b(y)));
    }
    if (b.wants(1)) {
      b.dx(1) = to_w(b.dy() * b(dy) * rsub(b(y) * 2, 1));
    }
  }
};

}  // namespace

#include <backflow/ops/pointwise_functions.inc>

OperatorFamily pointwise_operators() {
  return family<Add, AddScalar, AddScaled, Sub, SubScalar, SubScaled, RsubScalar, Mul, MulScalar, Div, DivScalar,
                RdivScalar, Pow, PowScalar, Xlogy, Neg, Exp, Log, Relu, Tanh, Sigmoid, ReluGradient, TanhGradient,
                SigmoidGradient>("pointwise");
}

}  // namespace backflow
