// Quotients that are rounded, and what is left.
#include <algorithm>
#include <string_view>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/elementwise/numbers_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// A binary operator whose integers must not be divided by zero.
template <class Op, class F>
struct DivisionOperator : BinaryOperator<Op, F> {
  using Base = BinaryOperator<Op, F>;

  static Tensor forward(const Tensor& x, const Tensor& w) {
    const ScalarType common = Base::dtype(x, w);
    check_has(Op::info.name, F{}, common);
    check_divisor(w, common);
    return Base::forward(x, w);
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& w) {
    if (Base::fits(y, x, w)) {
      check_has(Op::info.name, F{}, y.scalar_type());
      check_divisor(w, y.scalar_type());
    }
    return Base::forward_into(y, x, w);
  }

 private:
  static void check_divisor(const Tensor& w, ScalarType dtype) {
    if (is_floating_point(dtype)) {
      return;
    }
    const Tensor zero = empty_tensor_like(w, kBool);
    kernels::test(kernels::functions::IsZero{}, zero, w);
    const bool* first = zero.const_data_ptr<bool>();
    check(std::find(first, first + zero.numel(), true) == first + zero.numel(), Op::info.name, ": a divisor in ",
          describe(w), " is 0: need others for integers; floating-point numbers give inf or NaN");
  }
};

/// A quotient that is rounded: its gradients are zeros.
template <class Op, class F>
struct RoundedQuotient : DivisionOperator<Op, F> {
  static constexpr bool kSavesTensors = false;
  DimVector x_sizes;
  DimVector w_sizes;
  ScalarType x_dtype;
  ScalarType w_dtype;

  void save(Needs, const Tensor& x, const Tensor& w, const Tensor&) {
    x_sizes = x.sizes();
    w_sizes = w.sizes();
    x_dtype = x.scalar_type();
    w_dtype = w.scalar_type();
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return zeros(x_sizes, x_dtype); });
    b.set_dx(1, [&] { return zeros(w_sizes, w_dtype); });
  }
};

struct FloorDivide : RoundedQuotient<FloorDivide, functions::FloorDivide> {
  static constexpr OperatorInfo info = {
      .signature = "floor_divide(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x / w rounded down;  dx = 0, dw = 0",
      .doc =
          "Quotient rounded down, as Python's //; broadcast, the dtypes are promoted, integers stay so. An Error for "
          "integers divided by zero.",
      .dtypes = kNumericDtypes,
      .node = "FloorDivideBackward0",
      .inplace = "floor_divide_(Tensor self, Tensor other) -> Tensor",
  };
};

struct FloorDivideScalar {
  static constexpr OperatorInfo info = {
      .signature = "floor_divide(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x / c rounded down;  dx = 0",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
      .inplace = "floor_divide_(Tensor self, Scalar other) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& number) {
    return floor_divide(x, operand_beside(info.name, x, number));
  }
};

struct TruncDivide : RoundedQuotient<TruncDivide, functions::TruncDivide> {
  static constexpr OperatorInfo info = {
      .signature = "trunc_divide(Tensor input, Tensor other) -> Tensor",
      .formula = "y = x / w rounded towards zero;  dx = 0, dw = 0",
      .doc =
          "Quotient rounded towards zero: div with rounding mode 'trunc'. Broadcast, the dtypes are promoted, integers "
          "stay so. An Error for integers divided by zero.",
      .dtypes = kNumericDtypes,
      .node = "DivBackward2",
  };
};

struct DivRounded {
  static constexpr OperatorInfo info = {
      .signature = "div(Tensor self, Tensor other, str? rounding_mode) -> Tensor",
      .formula = "y = x / w, rounded",
      .doc =
          "Quotient rounded towards zero ('trunc') or down ('floor'), where integers stay integers; or not rounded. "
          "Broadcast, the dtypes are promoted. An Error for integers divided by zero and for another mode.",
      .dtypes = kNumericDtypes,
      .inplace = "div_(Tensor self, Tensor other, str? rounding_mode) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Tensor& w, std::optional<std::string_view> mode) {
    check(!mode || *mode == "floor" || *mode == "trunc", "div: rounding mode '", mode.value_or(""),
          "': need 'floor', 'trunc' or none");
    return !mode ? div(x, w) : *mode == "floor" ? floor_divide(x, w) : trunc_divide(x, w);
  }
};

struct DivRoundedScalar {
  static constexpr OperatorInfo info = {
      .signature = "div(Tensor self, Scalar other, str? rounding_mode) -> Tensor",
      .formula = "y = x / c, rounded",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
      .inplace = "div_(Tensor self, Scalar other, str? rounding_mode) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& number, std::optional<std::string_view> mode) {
    return div(x, operand_beside(info.name, x, number), mode);
  }
};

/// What is left of a division whose quotient is rounded by `kQuotient`: x - w quotient.
template <class Op, class F, Tensor (*kQuotient)(const Tensor&, const Tensor&)>
struct Rest : DivisionOperator<Op, F> {
  SavedTensor x;
  SavedTensor w;
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const Tensor& y) {
    this->save_geometry(x_, w_, y);
    if (needs[1]) {
      x.save(x_);
      w.save(w_);
    }
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return this->to_x(b.dy()); });
    b.set_dx(1, [&] { return this->to_w(neg(b.dy()) * kQuotient(b(x), b(w))); });
  }
};

struct Fmod : Rest<Fmod, functions::Fmod, trunc_divide> {
  static constexpr OperatorInfo info = {
      .signature = "fmod(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x - w trunc(x / w);  dx = dy, dw = -dy trunc(x / w)",
      .doc =
          "Remainder of a division, with the sign of x; broadcast, the dtypes are promoted. An Error for integers "
          "divided by zero.",
      .dtypes = kNumericDtypes,
      .node = "FmodBackward1",
      .inplace = "fmod_(Tensor self, Tensor other) -> Tensor",
  };
};

struct FmodScalar {
  static constexpr OperatorInfo info = {
      .signature = "fmod(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x - c trunc(x / c);  dx = dy",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
      .inplace = "fmod_(Tensor self, Scalar other) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& number) { return fmod(x, operand_beside(info.name, x, number)); }
};

struct Remainder : Rest<Remainder, functions::Remainder, floor_divide> {
  static constexpr OperatorInfo info = {
      .signature = "remainder(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x - w floor(x / w);  dx = dy, dw = -dy floor(x / w)",
      .doc =
          "Remainder of a division, with the sign of w, as Python's %; broadcast, the dtypes are promoted. An Error "
          "for integers divided by zero.",
      .dtypes = kNumericDtypes,
      .node = "RemainderBackward1",
      .inplace = "remainder_(Tensor self, Tensor other) -> Tensor",
  };
};

struct RemainderScalar {
  static constexpr OperatorInfo info = {
      .signature = "remainder(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x - c floor(x / c);  dx = dy",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
      .inplace = "remainder_(Tensor self, Scalar other) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& number) {
    return remainder(x, operand_beside(info.name, x, number));
  }
};

}  // namespace

#include <backflow/ops/division_functions.inc>

OperatorFamily division_operators() {
  return family<FloorDivide, FloorDivideScalar, TruncDivide, DivRounded, DivRoundedScalar, Fmod, FmodScalar, Remainder,
                RemainderScalar>("division");
}

}  // namespace backflow
