// Transposes a matrix in tiles of a cache line's width.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include <utility>

#include <backflow/ops/kernels/layout/copy_loops.h>

namespace backflow::kernels {
namespace {

/// 16 bytes, which every x86-64 and ARMv8 machine has vectors of.
template <class U>
struct Vector {
  static constexpr std::size_t kLanes = 16 / sizeof(U);
  using Type __attribute__((vector_size(16))) = U;
};

/// The lower halves of a and b, or the upper ones, lane by lane in turn: a0 b0 a1 b1 ...
template <class U, bool kUpper, std::size_t... kIs>
typename Vector<U>::Type interleave(typename Vector<U>::Type a, typename Vector<U>::Type b,
                                    std::index_sequence<kIs...>) {
  constexpr std::size_t kN = Vector<U>::kLanes;
  return __builtin_shufflevector(a, b, ((kIs % 2 == 0 ? 0 : kN) + (kUpper ? kN / 2 : 0) + kIs / 2)...);
}

/// Transposes a square of as many rows as a vector has lanes. Interleaving row i with row i + n/2, for all of the first
/// half, log2(n) times over leaves lane (r, c) at (c, r).
template <class U>
void transpose_square(const U* x, std::int64_t x_stride, U* y, std::int64_t y_stride) {
  constexpr std::size_t kN = Vector<U>::kLanes;
  constexpr auto kEach = std::make_index_sequence<kN>();
  typename Vector<U>::Type v[kN];
  for (std::size_t i = 0; i < kN; ++i) {
    std::memcpy(&v[i], x + static_cast<std::int64_t>(i) * x_stride, 16);
  }
  for (std::size_t stage = 1; stage < kN; stage *= 2) {
    typename Vector<U>::Type w[kN];
    std::copy_n(v, kN, w);
    for (std::size_t i = 0; i < kN / 2; ++i) {
      v[2 * i] = interleave<U, false>(w[i], w[i + kN / 2], kEach);
      v[2 * i + 1] = interleave<U, true>(w[i], w[i + kN / 2], kEach);
    }
  }
  for (std::size_t i = 0; i < kN; ++i) {
    std::memcpy(y + static_cast<std::int64_t>(i) * y_stride, &v[i], 16);
  }
}

}  // namespace

template <class U>
void transpose(const U* x, std::int64_t x_stride, U* y, std::int64_t y_stride, std::int64_t rows,
               std::int64_t columns) {
  constexpr std::int64_t kN = 16 / sizeof(U);
  constexpr std::int64_t kLine = 64 / sizeof(U);
  // One cache line of each row of y at a time: it is complete before it leaves the cache.
  for (std::int64_t c0 = 0; c0 < columns; c0 += kLine) {
    const std::int64_t c1 = std::min(columns, c0 + kLine);
    std::int64_t r = 0;
    for (; r + kN <= rows; r += kN) {
      std::int64_t c = c0;
      for (; c + kN <= c1; c += kN) {
        transpose_square(x + c * x_stride + r, x_stride, y + r * y_stride + c, y_stride);
      }
      for (; c < c1; ++c) {
        for (std::int64_t i = r; i < r + kN; ++i) {
          y[i * y_stride + c] = x[c * x_stride + i];
        }
      }
    }
    for (; r < rows; ++r) {
      for (std::int64_t c = c0; c < c1; ++c) {
        y[r * y_stride + c] = x[c * x_stride + r];
      }
    }
  }
}

template void transpose(const std::uint8_t*, std::int64_t, std::uint8_t*, std::int64_t, std::int64_t, std::int64_t);
template void transpose(const std::uint16_t*, std::int64_t, std::uint16_t*, std::int64_t, std::int64_t, std::int64_t);
template void transpose(const std::uint32_t*, std::int64_t, std::uint32_t*, std::int64_t, std::int64_t, std::int64_t);
template void transpose(const std::uint64_t*, std::int64_t, std::uint64_t*, std::int64_t, std::int64_t, std::int64_t);

}  // namespace backflow::kernels
