#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <backflow/ops/kernels/layout/strided.h>

namespace backflow::kernels::detail {

/// Goes through elements [begin, end) of a loop in runs along its innermost dimension: calls f(n, offsets) for each,
/// with the offset of every operand's first element.
template <std::size_t N, class F>
void for_each_run(const StridedLoop<N>& loop, std::int64_t begin, std::int64_t end, const F& f) {
  const std::size_t last = loop.sizes.size() - 1;
  DimVector index(last + 1, 0);
  std::array<std::int64_t, N> at{};
  std::int64_t rest = begin;
  for (std::size_t d = last + 1; d-- > 0;) {
    index[d] = rest % loop.sizes[d];
    rest /= loop.sizes[d];
    for (std::size_t k = 0; k < N; ++k) {
      at[k] += index[d] * loop.strides[k][d];
    }
  }
  while (begin < end) {
    const std::int64_t n = std::min(end - begin, loop.sizes[last] - index[last]);
    f(n, at);
    begin += n;
    index[last] += n;
    for (std::size_t k = 0; k < N; ++k) {
      at[k] += n * loop.strides[k][last];
    }
    for (std::size_t d = last; d > 0 && index[d] == loop.sizes[d]; --d) {
      index[d] = 0;
      ++index[d - 1];
      for (std::size_t k = 0; k < N; ++k) {
        at[k] += loop.strides[k][d - 1] - loop.sizes[d] * loop.strides[k][d];
      }
    }
  }
}

/// Calls f(U{}) with an unsigned integer type of so many bytes, as wide as the elements of a dtype: what only moves
/// elements needs no other types.
template <class F>
void dispatch_bytes(std::size_t width, const F& f) {
  switch (width) {
    case 1:
      return f(std::uint8_t{});
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}
template <class F>
void dispatch_width(ScalarType dtype, const F& f) {
  dispatch_bytes(element_size(dtype), f);
}

/// The elements of `x` as numbers of their width.
template <class U>
U* bits_of(const Tensor& x) {
  return static_cast<U*>(x.mutable_data_ptr());
}

}  // namespace backflow::kernels::detail
