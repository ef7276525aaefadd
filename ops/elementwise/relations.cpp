// Relations of two operands, element by element, and the logic of truth values. Their results are bool tensors, without
// a gradient.
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Comparison;

/// True when `w` has no dimensions, counts by its kind alone beside x, and is a number that the dtype of x can't hold.
bool is_number_beyond(const Tensor& w, const Tensor& x) {
  return w.dim() == 0 && x.dim() > 0 &&
         dispatch(x.scalar_type(), [&](auto zero) { return beyond<decltype(zero)>(w.item()) != 0; });
}

/// y = f(x, w) for two dtypes. Neither operand may change its value on the way to the common one.
void compare_mixed(Comparison f, const Tensor& y, const Tensor& x, const Tensor& w) {
  if (kernels::is_logical(f)) {
    return kernels::compare(f, y, Cast(x, kBool), Cast(w, kBool));
  }
  const bool are_integers = !x.is_floating_point() && !w.is_floating_point();
  const ScalarType common = are_integers ? promote_types(x.scalar_type(), w.scalar_type()) : common_dtype(x, w);
  if (x.scalar_type() == common && is_number_beyond(w, x)) {
    return kernels::compare(f, y, x, w.item());
  }
  if (w.scalar_type() == common && is_number_beyond(x, w)) {
    return kernels::compare(kernels::reversed(f), y, w, x.item());
  }
  kernels::compare(f, y, Cast(x, common), Cast(w, common));
}

/// y = f(x, w) for two tensors, whose dtypes are promoted before they are compared; `Op` names it.
template <class Op, class F>
struct Relation {
  static Tensor forward(const Tensor& x, const Tensor& w) {
    Tensor y = empty_result(broadcast_shapes(Op::info.name, x.sizes(), w.sizes()), kBool, x);
    if (x.scalar_type() == w.scalar_type()) {
      kernels::compare(F{}, y, x, w);
    } else {
      compare_mixed(F{}, y, x, w);
    }
    return y;
  }
};

/// The bits of integers, or truth values.
template <class Op, class F>
struct BitwiseOperator : BinaryOperator<Op, F> {
  using Base = BinaryOperator<Op, F>;

  static Tensor forward(const Tensor& x, const Tensor& w) {
    check_integers(Base::dtype(x, w));
    return Base::forward(x, w);
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& w) {
    check_integers(Base::dtype(x, w));
    return Base::forward_into(y, x, w);
  }

 private:
  static void check_integers(ScalarType dtype) {
    check(!is_floating_point(dtype), Op::info.name, ": dtype ", short_name(dtype), ": need integers or truth values");
  }
};

/// The same for a tensor and a number.
template <class F>
struct NumberRelation {
  static Tensor forward(const Tensor& x, const Scalar& number) {
    Tensor y = empty_result_like(x, kBool);
    kernels::compare(F{}, y, Cast(x, result_type(x.scalar_type(), number)), number);
    return y;
  }
};

struct Eq : Relation<Eq, functions::Equal> {
  static constexpr OperatorInfo info = {
      .signature = "eq(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x = w",
      .doc = "Equality, as a bool tensor; broadcast, the dtypes are promoted. NaN equals nothing.",
      .dtypes = kAnyDtype,
  };
};

struct EqScalar : NumberRelation<functions::Equal> {
  static constexpr OperatorInfo info = {
      .signature = "eq(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x = c",
      .doc = "The same with a number, even one that the dtype of x can't represent.",
      .dtypes = kAnyDtype,
  };
};

struct Ne : Relation<Ne, functions::NotEqual> {
  static constexpr OperatorInfo info = {
      .signature = "ne(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x != w",
      .doc = "Inequality, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is true.",
      .dtypes = kAnyDtype,
  };
};

struct NeScalar : NumberRelation<functions::NotEqual> {
  static constexpr OperatorInfo info = {
      .signature = "ne(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x != c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct Lt : Relation<Lt, functions::Less> {
  static constexpr OperatorInfo info = {
      .signature = "lt(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x < w",
      .doc = "Whether x is less than w, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is false.",
      .dtypes = kAnyDtype,
  };
};

struct LtScalar : NumberRelation<functions::Less> {
  static constexpr OperatorInfo info = {
      .signature = "lt(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x < c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct Le : Relation<Le, functions::LessEqual> {
  static constexpr OperatorInfo info = {
      .signature = "le(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x <= w",
      .doc = "Whether x is at most w, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is false.",
      .dtypes = kAnyDtype,
  };
};

struct LeScalar : NumberRelation<functions::LessEqual> {
  static constexpr OperatorInfo info = {
      .signature = "le(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x <= c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct Gt : Relation<Gt, functions::Greater> {
  static constexpr OperatorInfo info = {
      .signature = "gt(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x > w",
      .doc = "Whether x is greater than w, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is false.",
      .dtypes = kAnyDtype,
  };
};

struct GtScalar : NumberRelation<functions::Greater> {
  static constexpr OperatorInfo info = {
      .signature = "gt(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x > c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct Ge : Relation<Ge, functions::GreaterEqual> {
  static constexpr OperatorInfo info = {
      .signature = "ge(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x >= w",
      .doc = "Whether x is at least w, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is false.",
      .dtypes = kAnyDtype,
  };
};

struct GeScalar : NumberRelation<functions::GreaterEqual> {
  static constexpr OperatorInfo info = {
      .signature = "ge(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x >= c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct LogicalAnd : Relation<LogicalAnd, functions::And> {
  static constexpr OperatorInfo info = {
      .signature = "logical_and(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x and w, where what is not 0 is true",
      .doc = "Conjunction of truth values, as a bool tensor; broadcast. NaN is true.",
      .dtypes = kAnyDtype,
  };
};

struct LogicalOr : Relation<LogicalOr, functions::Or> {
  static constexpr OperatorInfo info = {
      .signature = "logical_or(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x or w, where what is not 0 is true",
      .doc = "Disjunction of truth values, as a bool tensor; broadcast. NaN is true.",
      .dtypes = kAnyDtype,
  };
};

struct LogicalXor : Relation<LogicalXor, functions::Xor> {
  static constexpr OperatorInfo info = {
      .signature = "logical_xor(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x xor w, where what is not 0 is true",
      .doc = "Exclusive disjunction of truth values, as a bool tensor; broadcast. NaN is true.",
      .dtypes = kAnyDtype,
  };
};

struct BitwiseAnd : BitwiseOperator<BitwiseAnd, functions::BitAnd> {
  static constexpr OperatorInfo info = {
      .signature = "bitwise_and(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x & w",
      .doc = "Conjunction of the bits of integers, or of truth values; broadcast, the dtypes are promoted.",
      .dtypes = {kBool, kUInt8, kInt32, kInt64},
      .inplace = "bitwise_and_(Tensor self, Tensor other) -> Tensor",
  };
};

struct BitwiseOr : BitwiseOperator<BitwiseOr, functions::BitOr> {
  static constexpr OperatorInfo info = {
      .signature = "bitwise_or(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x | w",
      .doc = "Disjunction of the bits of integers, or of truth values; broadcast, the dtypes are promoted.",
      .dtypes = {kBool, kUInt8, kInt32, kInt64},
      .inplace = "bitwise_or_(Tensor self, Tensor other) -> Tensor",
  };
};

struct BitwiseXor : BitwiseOperator<BitwiseXor, functions::BitXor> {
  static constexpr OperatorInfo info = {
      .signature = "bitwise_xor(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x ^ w",
      .doc = "Exclusive disjunction of the bits of integers, or of truth values; broadcast, the dtypes are promoted.",
      .dtypes = {kBool, kUInt8, kInt32, kInt64},
      .inplace = "bitwise_xor_(Tensor self, Tensor other) -> Tensor",
  };
};

}  // namespace

#include <backflow/ops/relations_functions.inc>

OperatorFamily relations_operators() {
  return family<Eq, EqScalar, Ne, NeScalar, Lt, LtScalar, Le, LeScalar, Gt, GtScalar, Ge, GeScalar, LogicalAnd,
                LogicalOr, LogicalXor, BitwiseAnd, BitwiseOr, BitwiseXor>("relations");
}

}  // namespace backflow
