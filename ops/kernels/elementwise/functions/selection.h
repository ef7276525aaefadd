// Relations of two operands, properties of one, one of several numbers, and numbers kept within bounds.
#ifndef BACKFLOW_FUNCTIONS_SELECTION
#define BACKFLOW_FUNCTIONS_SELECTION

#include <algorithm>
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
  static constexpr bool of(auto a, auto b) { return a == b; }
};

struct NotEqual : OrderRelation {
  using Reversed = NotEqual;
  static constexpr bool of(auto a, auto b) { return a != b; }
};

struct Less : OrderRelation {
  using Reversed = Greater;
  static constexpr bool of(auto a, auto b) { return a < b; }
};

struct LessEqual : OrderRelation, OfReals {
  using Reversed = GreaterEqual;
  static constexpr bool of(auto a, auto b) { return a <= b; }
};

struct Greater : OrderRelation {
  using Reversed = Less;
  static constexpr bool of(auto a, auto b) { return a > b; }
};

struct GreaterEqual : OrderRelation, OfReals {
  using Reversed = LessEqual;
  static constexpr bool of(auto a, auto b) { return a >= b; }
};

struct And : LogicalRelation {
  using Reversed = And;
  static constexpr bool of(auto a, auto b) { return (a != 0) & (b != 0); }
};

struct Or : LogicalRelation {
  using Reversed = Or;
  static constexpr bool of(auto a, auto b) { return (a != 0) | (b != 0); }
};

struct Xor : LogicalRelation {
  using Reversed = Xor;
  static constexpr bool of(auto a, auto b) { return (a != 0) != (b != 0); }
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
  static constexpr bool of(auto x) { return x == 0; }
};

struct Relations : List<Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, And, Or, Xor> {};
struct Properties : List<IsNan, IsInf, IsFinite, IsZero> {};

struct Clamp : OfReals {};  ///< within params[0] and params[1], neither NaN

/// NaN where one of the operands is, as Minimum.
struct Maximum : OfAll {
  static auto of(auto a, auto b) { return std::max(a, b); }
};

struct Minimum : OfAll {
  static auto of(auto a, auto b) { return std::min(a, b); }
};

/// Of dy and x: dy where x lies between the bounds params[0] and params[1] or on one of them, else 0.
struct ClampBackward : OfReals {};
struct HardtanhBackward : OfReals {};  ///< the same without the bounds themselves; dy where x is NaN

using UnarySelection = List<Clamp>;
using BinarySelection = List<Equal, LessEqual, GreaterEqual, Maximum, Minimum, ClampBackward, HardtanhBackward>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

HWY_INLINE auto form(functions::Equal, auto d, auto a, auto b) {
  return hn::IfThenElseZero(hn::Eq(a, b), number(d, 1));
}

HWY_INLINE auto form(functions::LessEqual, auto d, auto a, auto b) {
  return hn::IfThenElseZero(hn::Le(a, b), number(d, 1));
}

HWY_INLINE auto form(functions::GreaterEqual, auto d, auto a, auto b) {
  return hn::IfThenElseZero(hn::Ge(a, b), number(d, 1));
}

HWY_INLINE auto form(functions::Clamp, auto d, const auto* params, auto x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Min(hn::Max(x, hn::Set(d, params[0])), hn::Set(d, params[1])));
}

HWY_INLINE auto form(functions::Maximum, auto, auto a, auto b) {
  return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), hn::Max(a, b));
}

HWY_INLINE auto form(functions::Minimum, auto, auto a, auto b) {
  return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), hn::Min(a, b));
}

HWY_INLINE auto form(functions::ClampBackward, auto d, const auto* params, auto dy, auto x) {
  return hn::IfThenElseZero(hn::And(hn::Ge(x, hn::Set(d, params[0])), hn::Le(x, hn::Set(d, params[1]))), dy);
}

template <class D, class V>
HWY_INLINE V form(functions::HardtanhBackward, D d, const hn::TFromD<D>* params, V dy, V x) {
  const auto outside = hn::Or(hn::Le(x, hn::Set(d, params[0])), hn::Ge(x, hn::Set(d, params[1])));
  return hn::IfThenElse(outside, hn::Zero(d), dy);
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
