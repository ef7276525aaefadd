// Element-wise loops over integers and truth values: plain ones, which the compiler turns into vectors.
#include <cstddef>
#include <cstdint>

#include <backflow/ops/kernels/elementwise/loops.h>

namespace backflow::kernels {
namespace {

template <class F, class T>
void unary_row(const T* x, T* y, std::size_t n, const T*) {
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = static_cast<T>(F::of(x[i]));
  }
}

template <class F, class T>
void binary_row(Operand<T> a, Operand<T> b, T* y, std::size_t n, const T*) {
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = static_cast<T>(F::of(a[i], b[i]));
  }
}

template <class F, class T>
constexpr UnaryLoop<T> unary_row_of() {
  if constexpr (F::template kTakes<T>) {
    return unary_row<F, T>;
  } else {
    return nullptr;
  }
}

template <class F, class T>
constexpr BinaryLoop<T> binary_row_of() {
  if constexpr (F::template kTakes<T>) {
    return binary_row<F, T>;
  } else {
    return nullptr;
  }
}

template <class T, class... Fs>
UnaryLoop<T> loop_of(functions::List<Fs...>, Unary f) {
  static constexpr UnaryLoop<T> kTable[] = {unary_row_of<Fs, T>()...};
  return kTable[f.index()];
}

template <class T, class... Fs>
BinaryLoop<T> loop_of(functions::List<Fs...>, Binary f) {
  static constexpr BinaryLoop<T> kTable[] = {binary_row_of<Fs, T>()...};
  return kTable[f.index()];
}

template <class T>
UnaryLoop<T> loop_of(Unary f) {
  return loop_of<T>(functions::UnaryFunctions{}, f);
}

template <class T>
BinaryLoop<T> loop_of(Binary f) {
  return loop_of<T>(functions::BinaryFunctions{}, f);
}

}  // namespace

// clang-format off
template <> UnaryLoop<bool> unary_loop<bool>(Unary f) { return loop_of<bool>(f); }
template <> UnaryLoop<std::uint8_t> unary_loop<std::uint8_t>(Unary f) { return loop_of<std::uint8_t>(f); }
template <> UnaryLoop<std::int32_t> unary_loop<std::int32_t>(Unary f) { return loop_of<std::int32_t>(f); }
template <> UnaryLoop<std::int64_t> unary_loop<std::int64_t>(Unary f) { return loop_of<std::int64_t>(f); }
template <> BinaryLoop<bool> binary_loop<bool>(Binary f) { return loop_of<bool>(f); }
template <> BinaryLoop<std::uint8_t> binary_loop<std::uint8_t>(Binary f) { return loop_of<std::uint8_t>(f); }
template <> BinaryLoop<std::int32_t> binary_loop<std::int32_t>(Binary f) { return loop_of<std::int32_t>(f); }
template <> BinaryLoop<std::int64_t> binary_loop<std::int64_t>(Binary f) { return loop_of<std::int64_t>(f); }
// clang-format on

}  // namespace backflow::kernels
