// Element-wise loops over integers and truth values: plain ones, which the compiler turns into vectors.
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <backflow/ops/kernels/loops.h>

namespace backflow::kernels {
namespace {

/// Unsigned integers of the width of T, which wrap.
template <class T>
using Wrapping = std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>>;

template <Unary kF, class T>
constexpr bool exists() {
  return kF < Unary::Exp && (!std::is_same_v<T, bool> || kF == Unary::Sign || kF == Unary::Abs);
}

template <Binary kF, class T>
constexpr bool exists() {
  return kF < Binary::Div && !(std::is_same_v<T, bool> && kF == Binary::Sub);
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
  } else {
    static_assert(kF == Binary::Minimum);
    return std::min(a, b);
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
