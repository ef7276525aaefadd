// Element-wise arithmetic of two operands. x, w are the operands, y the result; lower-case d marks gradients.
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow {
namespace {

using namespace detail;

/// As in PyTorch, nothing is subtracted from truth values, nor they from others.
void check_subtracts(const char* where, const Tensor& x) {
  check(x.scalar_type() != kBool, where, ": ", describe(x), ": need numbers; to(kInt64) gives them");
}

/// y = x + alpha w for functions::Add{}, x - alpha w for functions::Sub{}; `Op` names it.
template <class Op, class F>
struct SumOperator : BinaryOperator<Op, F> {
  using Base = BinaryOperator<Op, F>;
  static constexpr bool kSavesTensors = false;

  Scalar factor;  // of w

  static bool is_one(const Scalar& alpha) { return alpha.to<double>() == 1; }
  static Tensor forward(const Tensor& x, const Tensor& w, const Scalar& alpha) {
    check_operands(x, w, alpha);
    if (is_one(alpha)) {
      return Base::forward(x, w);
    }
    const Tensor scaled = mul(w, alpha);
    return Base::forward(x, Base::dtype(x, w) == kBool ? to(scaled, kBool) : scaled);
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& w, const Scalar& alpha) {
    check_operands(x, w, alpha);
    if (is_one(alpha)) {
      return Base::forward_into(y, x, w);
    }
    if (!y.is_floating_point() || !Base::fits(y, x, w)) {
      return false;
    }
    kernels::add_scaled(F{}, y, x, Cast(w, y.scalar_type()), alpha);
    return true;
  }
  /// Gradients are handed on as they are, unless an operand was broadcast or multiplied.
  static Cost cost(const Tensor& x, const Tensor& w, const Scalar& alpha) {
    const bool hands_on = std::is_same_v<F, functions::Add> && is_one(alpha) && x.sizes() == w.sizes();
    return hands_on ? Cost{.dtype = x.scalar_type()} : elementwise_cost(x.numel() > w.numel() ? x : w, 2);
  }
  void save(Needs, const Tensor& x, const Tensor& w, const Scalar& alpha, const Tensor& y) {
    this->save_geometry(x, w, y);
    factor = std::is_same_v<F, functions::Add> ? alpha : -alpha;
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return this->to_x(b.dy()); });
    b.set_dx(1, [&] { return this->to_w(is_one(factor) ? b.dy() : is_one(-factor) ? neg(b.dy()) : b.dy() * factor); });
  }

 private:
  static void check_operands(const Tensor& x, const Tensor& w, const Scalar& alpha) {
    if (alpha.is_floating_point()) {
      check(x.is_floating_point() || w.is_floating_point(), Op::info.name, ": alpha ", alpha.to<double>(), " for ",
            describe(x), " and ", describe(w), ": need an integer for integers");
    }
    if (!is_one(alpha)) {
      check_number(Op::info.name, alpha, Base::dtype(x, w));
    }
    if constexpr (std::is_same_v<F, functions::Sub>) {
      check_subtracts(Op::info.name, x);
      check_subtracts(Op::info.name, w);
    }
  }
};

struct Add : SumOperator<Add, functions::Add> {
  static constexpr OperatorInfo info = {
      .signature = "add(Tensor self, Tensor other, Scalar alpha=1) -> Tensor",
      .formula = "y = x + alpha w;  dx = dy, dw = alpha dy",
      .doc = "Sum with a multiple of the second operand, broadcast; the dtypes are promoted.",
      .dtypes = kAnyDtype,
      .node = "AddBackward0",
      .inplace = "add_(Tensor self, Tensor other, Scalar alpha=1) -> Tensor",
  };
};

struct AddScalar : ScalarOperator<AddScalar, functions::Add> {
  static constexpr OperatorInfo info = {
      .signature = "add(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x + c;  dx = dy",
      .doc = "Sum with a number. The dtype is that of x, but float32 for an integral x and a fraction.",
      .dtypes = kAnyDtype,
      .node = "AddBackward0",
      .inplace = "add_(Tensor self, Scalar other) -> Tensor",
  };
  void save(Needs, const Tensor& x, const Scalar&, const Tensor&) { x_dtype = x.scalar_type(); }
  void backward(Backward& b) const { b.dx(0) = to_x(b.dy()); }
};

struct Sub : SumOperator<Sub, functions::Sub> {
  static constexpr OperatorInfo info = {
      .signature = "sub(Tensor self, Tensor other, Scalar alpha=1) -> Tensor",
      .formula = "y = x - alpha w;  dx = dy, dw = -alpha dy",
      .doc = "Difference with a multiple of the second operand, broadcast; the dtypes are promoted.",
      .dtypes = kNumericDtypes,
      .node = "SubBackward0",
      .inplace = "sub_(Tensor self, Tensor other, Scalar alpha=1) -> Tensor",
  };
};

struct SubScalar : ScalarOperator<SubScalar, functions::Sub> {
  static constexpr OperatorInfo info = {
      .signature = "sub(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x - c;  dx = dy",
      .doc = "Difference with a number.",
      .dtypes = kNumericDtypes,
      .node = "SubBackward0",
      .inplace = "sub_(Tensor self, Scalar other) -> Tensor",
  };
  using Base = ScalarOperator<SubScalar, functions::Sub>;
  static Tensor forward(const Tensor& x, const Scalar& number) {
    check_subtracts("sub", x);
    return Base::forward(x, number);
  }
  void save(Needs, const Tensor& x, const Scalar&, const Tensor&) { x_dtype = x.scalar_type(); }
  void backward(Backward& b) const { b.dx(0) = to_x(b.dy()); }
};

struct RsubScalar {
  static constexpr OperatorInfo info = {
      .signature = "rsub(Tensor self, Scalar other) -> Tensor",
      .formula = "y = c - x;  dx = -dy",
      .doc = "A number minus a tensor.",
      .dtypes = kNumericDtypes,
      .node = "RsubBackward1",
  };
  static Tensor forward(const Tensor& x, const Scalar& number) {
    check_subtracts("rsub", x);
    const ScalarType dtype = result_type(x.scalar_type(), number);
    Tensor y = empty_result_like(x, dtype);
    kernels::binary(functions::Sub{}, y, number, Cast(x, dtype));
    return y;
  }
  void save(Needs, const Tensor&, const Scalar&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = neg(b.dy()); }
};

struct Mul : BinaryOperator<Mul, functions::Mul>, SavesFactors {
  static constexpr OperatorInfo info = {
      .signature = "mul(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x w;  dx = dy w, dw = dy x",
      .doc = "Element-wise product, broadcast; the dtypes are promoted.",
      .dtypes = kAnyDtype,
      .node = "MulBackward0",
      .inplace = "mul_(Tensor self, Tensor other) -> Tensor",
  };
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const Tensor& y) {
    save_geometry(x_, w_, y);
    SavesFactors::save(needs, x_, w_);
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return to_x(b.dy() * b(w)); });
    b.set_dx(1, [&] { return to_w(b.dy() * b(x)); });
  }
};

struct MulScalar : ScalarOperator<MulScalar, functions::Mul> {
  static constexpr OperatorInfo info = {
      .signature = "mul(Tensor self, Scalar other) -> Tensor",
      .formula = "y = c x;  dx = c dy",
      .doc = "Product with a number.",
      .dtypes = kAnyDtype,
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

struct Div : BinaryOperator<Div, functions::Div, true> {
  static constexpr OperatorInfo info = {
      .signature = "div(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x / w;  dx = dy / w, dw = -dy x / w^2",
      .doc = "Element-wise quotient, broadcast; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "DivBackward0",
      .inplace = "div_(Tensor self, Tensor other) -> Tensor",
  };
  SavedTensor x;
  SavedTensor w;
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const Tensor& y) {
    save_geometry(x_, w_, y);
    w.save(w_);
    if (needs[1]) {
      x.save(x_);
    }
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return to_x(b.dy() / b(w)); });
    b.set_dx(1, [&] { return to_w(neg(b.dy()) * (b(x) / b(w)) / b(w)); });
  }
};

struct DivScalar : ScalarOperator<DivScalar, functions::Div, true> {
  static constexpr OperatorInfo info = {
      .signature = "div(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x / c;  dx = dy / c",
      .doc = "Quotient with a number; integers give float32.",
      .dtypes = kAnyDtype,
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
      .signature = "rdiv(Tensor input, Scalar other) -> Tensor",
      .formula = "y = c / x;  dx = -dy y / x",
      .doc = "A number divided by a tensor; integers give float32.",
      .dtypes = kAnyDtype,
      .node = "RdivBackward0",
  };
  SavedTensor x;
  SavedTensor y;
  static Tensor forward(const Tensor& x, const Scalar& number) {
    const ScalarType dtype = floating(x.scalar_type());
    Tensor y = empty_result_like(x, dtype);
    kernels::binary(functions::Div{}, y, number, Cast(x, dtype));
    return y;
  }
  void save(Needs, const Tensor& x_, const Scalar&, const Tensor& y_) {
    x.save(x_);
    y.save_output(y_);
  }
  void backward(Backward& b) const { b.dx(0) = neg(b.dy()) * b(y) / b(x); }
};

}  // namespace

#include <backflow/ops/arithmetic_functions.inc>

OperatorFamily arithmetic_operators() {
  return family<Add, AddScalar, Sub, SubScalar, RsubScalar, Mul, MulScalar, Div, DivScalar, RdivScalar>("arithmetic");
}

}  // namespace backflow
