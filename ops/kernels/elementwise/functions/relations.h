// Relations of two operands, and properties of one.
#ifndef BACKFLOW_FUNCTIONS_RELATIONS
#define BACKFLOW_FUNCTIONS_RELATIONS

#include <type_traits>

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

/// Relations take every dtype. `Reversed` holds for (b, a) where the relation does for (a, b).
struct OrderRelation {
  static constexpr bool kIsLogical = false;
};
struct LogicalRelation {  // of truth values
  static constexpr bool kIsLogical = true;
};

struct Greater;
struct GreaterEqual;

/// All but NotEqual are false where an operand is NaN. Those of reals are functions too: 1 where they hold, else 0.
struct Equal : OrderRelation, OfReals {
  using Reversed = Equal;
  template <class T>
  static constexpr bool of(T a, T b) {
    return a == b;
  }
};

struct NotEqual : OrderRelation {
  using Reversed = NotEqual;
  template <class T>
  static constexpr bool of(T a, T b) {
    return a != b;
  }
};

struct Less : OrderRelation {
  using Reversed = Greater;
  template <class T>
  static constexpr bool of(T a, T b) {
    return a < b;
  }
};

struct LessEqual : OrderRelation, OfReals {
  using Reversed = GreaterEqual;
  template <class T>
  static constexpr bool of(T a, T b) {
    return a <= b;
  }
};

struct Greater : OrderRelation {
  using Reversed = Less;
  template <class T>
  static constexpr bool of(T a, T b) {
    return a > b;
  }
};

struct GreaterEqual : OrderRelation, OfReals {
  using Reversed = LessEqual;
  template <class T>
  static constexpr bool of(T a, T b) {
    return a >= b;
  }
};

struct And : LogicalRelation {
  using Reversed = And;
  template <class T>
  static constexpr bool of(T a, T b) {
    return (a != T{0}) & (b != T{0});
  }
};

struct Or : LogicalRelation {
  using Reversed = Or;
  template <class T>
  static constexpr bool of(T a, T b) {
    return (a != T{0}) | (b != T{0});
  }
};

struct Xor : LogicalRelation {
  using Reversed = Xor;
  template <class T>
  static constexpr bool of(T a, T b) {
    return (a != T{0}) != (b != T{0});
  }
};

struct IsNan {
  template <class T>
  static constexpr bool of(T x) {
    return std::is_floating_point_v<T> && x != x;
  }
};

struct IsInf {
  template <class T>
  static constexpr bool of(T x) {
    return std::is_floating_point_v<T> && x - x != x - x && x == x;
  }
};

struct IsFinite {
  template <class T>
  static constexpr bool of(T x) {
    return !std::is_floating_point_v<T> || x - x == T{0};
  }
};

struct IsZero {
  template <class T>
  static constexpr bool of(T x) {
    return x == T{0};
  }
};

struct Relations : List<Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, And, Or, Xor> {};
struct Properties : List<IsNan, IsInf, IsFinite, IsZero> {};
using BinaryRelations = List<Equal, LessEqual, GreaterEqual>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Equal> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return hn::IfThenElseZero(hn::Eq(a, b), number(d, 1));
  }
};

template <>
struct VectorForm<functions::LessEqual> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return hn::IfThenElseZero(hn::Le(a, b), number(d, 1));
  }
};

template <>
struct VectorForm<functions::GreaterEqual> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return hn::IfThenElseZero(hn::Ge(a, b), number(d, 1));
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
