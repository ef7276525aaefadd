// Relations of two operands, element by element, and the logic of truth values. Their results are bool tensors, without
// a gradient.
#include <backflow/ops/elementwise_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Comparison;

/// y = f(x, w) for two tensors, whose dtypes are promoted before they are compared; `Op` names it.
template <class Op, Comparison kF>
struct Relation {
  static Tensor forward(const Tensor& x, const Tensor& w) {
    const ScalarType common = common_dtype(x, w);
    Tensor y = empty_tensor(broadcast_shapes(Op::info.name, x.sizes(), w.sizes()), kBool);
    kernels::compare(kF, y, Cast(x, common), Cast(w, common));
    return y;
  }
};

/// The bits of integers, or truth values.
template <class Op, Binary kF>
struct BitwiseOperator : BinaryOperator<Op, kF> {
  using Base = BinaryOperator<Op, kF>;

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
template <Comparison kF>
struct NumberRelation {
  static Tensor forward(const Tensor& x, const Scalar& number) {
    Tensor y = empty_tensor_like(x, kBool);
    kernels::compare(kF, y, Cast(x, result_type(x.scalar_type(), number)), number);
    return y;
  }
};

struct Eq : Relation<Eq, Comparison::Equal> {
  static constexpr OperatorInfo info = {
      .name = "eq",
      .signature = "eq(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x = w",
      .doc = "Equality, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is false.",
      .dtypes = kAnyDtype,
  };
};

struct EqScalar : NumberRelation<Comparison::Equal> {
  static constexpr OperatorInfo info = {
      .name = "eq",
      .signature = "eq(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x = c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct Ne : Relation<Ne, Comparison::NotEqual> {
  static constexpr OperatorInfo info = {
      .name = "ne",
      .signature = "ne(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x != w",
      .doc = "Inequality, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is true.",
      .dtypes = kAnyDtype,
  };
};

struct NeScalar : NumberRelation<Comparison::NotEqual> {
  static constexpr OperatorInfo info = {
      .name = "ne",
      .signature = "ne(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x != c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct Lt : Relation<Lt, Comparison::Less> {
  static constexpr OperatorInfo info = {
      .name = "lt",
      .signature = "lt(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x < w",
      .doc = "Whether x is less than w, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is false.",
      .dtypes = kAnyDtype,
  };
};

struct LtScalar : NumberRelation<Comparison::Less> {
  static constexpr OperatorInfo info = {
      .name = "lt",
      .signature = "lt(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x < c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct Le : Relation<Le, Comparison::LessEqual> {
  static constexpr OperatorInfo info = {
      .name = "le",
      .signature = "le(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x <= w",
      .doc = "Whether x is at most w, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is false.",
      .dtypes = kAnyDtype,
  };
};

struct LeScalar : NumberRelation<Comparison::LessEqual> {
  static constexpr OperatorInfo info = {
      .name = "le",
      .signature = "le(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x <= c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct Gt : Relation<Gt, Comparison::Greater> {
  static constexpr OperatorInfo info = {
      .name = "gt",
      .signature = "gt(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x > w",
      .doc = "Whether x is greater than w, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is false.",
      .dtypes = kAnyDtype,
  };
};

struct GtScalar : NumberRelation<Comparison::Greater> {
  static constexpr OperatorInfo info = {
      .name = "gt",
      .signature = "gt(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x > c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct Ge : Relation<Ge, Comparison::GreaterEqual> {
  static constexpr OperatorInfo info = {
      .name = "ge",
      .signature = "ge(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x >= w",
      .doc = "Whether x is at least w, as a bool tensor; broadcast, the dtypes are promoted. With NaN it is false.",
      .dtypes = kAnyDtype,
  };
};

struct GeScalar : NumberRelation<Comparison::GreaterEqual> {
  static constexpr OperatorInfo info = {
      .name = "ge",
      .signature = "ge(Tensor self, Scalar other) -> Tensor",
      .formula = "y = x >= c",
      .doc = "The same with a number.",
      .dtypes = kAnyDtype,
  };
};

struct LogicalAnd : Relation<LogicalAnd, Comparison::And> {
  static constexpr OperatorInfo info = {
      .name = "logical_and",
      .signature = "logical_and(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x and w, where what is not 0 is true",
      .doc = "Conjunction of truth values, as a bool tensor; broadcast. NaN is true.",
      .dtypes = kAnyDtype,
  };
};

struct LogicalOr : Relation<LogicalOr, Comparison::Or> {
  static constexpr OperatorInfo info = {
      .name = "logical_or",
      .signature = "logical_or(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x or w, where what is not 0 is true",
      .doc = "Disjunction of truth values, as a bool tensor; broadcast. NaN is true.",
      .dtypes = kAnyDtype,
  };
};

struct LogicalXor : Relation<LogicalXor, Comparison::Xor> {
  static constexpr OperatorInfo info = {
      .name = "logical_xor",
      .signature = "logical_xor(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x xor w, where what is not 0 is true",
      .doc = "Exclusive disjunction of truth values, as a bool tensor; broadcast. NaN is true.",
      .dtypes = kAnyDtype,
  };
};

struct BitwiseAnd : BitwiseOperator<BitwiseAnd, Binary::BitAnd> {
  static constexpr OperatorInfo info = {
      .name = "bitwise_and",
      .signature = "bitwise_and(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x & w",
      .doc = "Conjunction of the bits of integers, or of truth values; broadcast, the dtypes are promoted.",
      .dtypes = {kBool, kUInt8, kInt32, kInt64},
      .inplace = "bitwise_and_(Tensor self, Tensor other) -> Tensor",
  };
};

struct BitwiseOr : BitwiseOperator<BitwiseOr, Binary::BitOr> {
  static constexpr OperatorInfo info = {
      .name = "bitwise_or",
      .signature = "bitwise_or(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x | w",
      .doc = "Disjunction of the bits of integers, or of truth values; broadcast, the dtypes are promoted.",
      .dtypes = {kBool, kUInt8, kInt32, kInt64},
      .inplace = "bitwise_or_(Tensor self, Tensor other) -> Tensor",
  };
};

struct BitwiseXor : BitwiseOperator<BitwiseXor, Binary::BitXor> {
  static constexpr OperatorInfo info = {
      .name = "bitwise_xor",
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
