// Element-wise loops over integers and truth values: plain ones, which the compiler turns into vectors.
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <backflow/ops/kernels/elementwise/loops.h>

namespace backflow::kernels {
namespace {

/// Unsigned integers of the width of T, which wrap.
template <class T>
using Wrapping = std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>>;

template <Unary kF, class T>
constexpr bool exists() {
  return kF < Unary::Exp && (!std::is_same_v<T, bool> || kF == Unary::Sign);
}

template <Binary kF, class T>
constexpr bool exists() {
  constexpr bool kHasBool = kF == Binary::Add || kF == Binary::Mul || kF == Binary::Maximum || kF == Binary::Minimum ||
                            kF == Binary::BitAnd || kF == Binary::BitOr || kF == Binary::BitXor;
  return kF < Binary::Div && (!std::is_same_v<T, bool> || kHasBool);
}

template <Unary kF, class T>
T apply(T x) {
  if constexpr (kF == Unary::Neg) {
    return static_cast<T>(Wrapping<T>{0} - static_cast<Wrapping<T>>(x));
  } else if constexpr (kF == Unary::Abs) {
    return x < T{0} ? static_cast<T>(Wrapping<T>{0} - static_cast<Wrapping<T>>(x)) : x;
  } else if constexpr (kF == Unary::Relu) {
    return std::max(x, T{0});
  } else {
    static_assert(kF == Unary::Sign);
    return static_cast<T>((x > T{0}) - (x < T{0}));
  }
}

/// Rounded towards zero; w is not 0. The quotient of the smallest integer and -1 wraps.
template <class T>
T quotient(T x, T w) {
  if (std::is_signed_v<T> && w == static_cast<T>(-1)) {
    return apply<Unary::Neg>(x);
  }
  return static_cast<T>(x / w);
}

template <class T>
T rest(T x, T w) {
  return std::is_signed_v<T> && w == static_cast<T>(-1) ? T{0} : static_cast<T>(x % w);
}

/// x^w by squaring, wrapping. 1/x^-w rounded towards zero for negative w.
template <class T>
T power(T x, T w) {
  if (w < T{0}) {
    return x == T{1} ? T{1} : x == static_cast<T>(-1) ? static_cast<T>(w % 2 == 0 ? 1 : -1) : T{0};
  }
  auto base = static_cast<std::uint64_t>(x);
  std::uint64_t result = 1;
  for (auto left = static_cast<std::uint64_t>(w); left != 0; left >>= 1U) {
    result = (left & 1U) != 0 ? result * base : result;
    base *= base;
  }
  return static_cast<T>(result);
}

template <Binary kF, class T>
T apply(T a, T b) {
  const auto x = static_cast<Wrapping<T>>(a);
  const auto w = static_cast<Wrapping<T>>(b);
  if constexpr (kF == Binary::Add) {
    return static_cast<T>(x + w);
  } else if constexpr (kF == Binary::Sub) {
    return static_cast<T>(x - w);
  } else if constexpr (kF == Binary::Mul) {
    return static_cast<T>(x * w);
  } else if constexpr (kF == Binary::Maximum) {
    return std::max(a, b);
  } else if constexpr (kF == Binary::Minimum) {
    return std::min(a, b);
  } else if constexpr (kF == Binary::BitAnd) {
    return static_cast<T>(a & b);
  } else if constexpr (kF == Binary::BitOr) {
    return static_cast<T>(a | b);
  } else if constexpr (kF == Binary::BitXor) {
    return static_cast<T>(a ^ b);
  } else if constexpr (kF == Binary::TruncDivide) {
    return quotient(a, b);
  } else if constexpr (kF == Binary::FloorDivide) {
    return static_cast<T>(quotient(a, b) - (rest(a, b) != 0 && (a < T{0}) != (b < T{0})));
  } else if constexpr (kF == Binary::Fmod) {
    return rest(a, b);
  } else if constexpr (kF == Binary::Remainder) {
    const T r = rest(a, b);
    return r != 0 && (r < T{0}) != (b < T{0}) ? static_cast<T>(r + b) : r;
  } else {
    static_assert(kF == Binary::Pow);
    return power(a, b);
  }
}

template <Unary kF, class T>
void unary_row(const T* x, T* y, std::size_t n, const T*) {
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = apply<kF>(x[i]);
  }
}

template <Binary kF, class T>
void binary_row(Run<T> a, Run<T> b, T* y, std::size_t n, const T*) {
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = apply<kF>(a[i], b[i]);
  }
}

template <class T>
UnaryLoop<T> unary_loop_of(Unary f) {
  UnaryLoop<T> loop = nullptr;
  [&]<std::size_t... kFs>(std::index_sequence<kFs...>) {
    const auto pick = [&]<Unary kF>(std::integral_constant<Unary, kF>) {
      if constexpr (exists<kF, T>()) {
        loop = f == kF ? unary_row<kF, T> : loop;
      }
    };
    (pick(std::integral_constant<Unary, static_cast<Unary>(kFs)>()), ...);
  }
  (std::make_index_sequence<static_cast<std::size_t>(Unary::Count)>());
  return loop;
}

template <class T>
BinaryLoop<T> binary_loop_of(Binary f) {
  BinaryLoop<T> loop = nullptr;
  [&]<std::size_t... kFs>(std::index_sequence<kFs...>) {
    const auto pick = [&]<Binary kF>(std::integral_constant<Binary, kF>) {
      if constexpr (exists<kF, T>()) {
        loop = f == kF ? binary_row<kF, T> : loop;
      }
    };
    (pick(std::integral_constant<Binary, static_cast<Binary>(kFs)>()), ...);
  }
  (std::make_index_sequence<static_cast<std::size_t>(Binary::Count)>());
  return loop;
}

}  // namespace

// clang-format off
template <> UnaryLoop<bool> unary_loop<bool>(Unary f) { return unary_loop_of<bool>(f); }
template <> UnaryLoop<std::uint8_t> unary_loop<std::uint8_t>(Unary f) { return unary_loop_of<std::uint8_t>(f); }
template <> UnaryLoop<std::int32_t> unary_loop<std::int32_t>(Unary f) { return unary_loop_of<std::int32_t>(f); }
template <> UnaryLoop<std::int64_t> unary_loop<std::int64_t>(Unary f) { return unary_loop_of<std::int64_t>(f); }
template <> BinaryLoop<bool> binary_loop<bool>(Binary f) { return binary_loop_of<bool>(f); }
template <> BinaryLoop<std::uint8_t> binary_loop<std::uint8_t>(Binary f) { return binary_loop_of<std::uint8_t>(f); }
template <> BinaryLoop<std::int32_t> binary_loop<std::int32_t>(Binary f) { return binary_loop_of<std::int32_t>(f); }
template <> BinaryLoop<std::int64_t> binary_loop<std::int64_t>(Binary f) { return binary_loop_of<std::int64_t>(f); }
// clang-format on

}  // namespace backflow::kernels
