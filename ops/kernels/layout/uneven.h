#pragma once

#include <cstdint>

#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels::detail {

/// Calls f(begin, end) for ranges of `count` things that are about equally much work and together all, on the pool.
/// `work(i)` is the work of the first i things, whose unit is free. The whole takes about `nanoseconds` on one thread,
/// and bits must not depend on the cut.
template <class Work, class F>
void parallel_uneven(std::int64_t count, double nanoseconds, const Work& work, const F& f) {
  const std::int64_t pieces = count == 0 ? 0 : free_pieces(count, nanoseconds);
  if (pieces == 1) {
    f(std::int64_t{0}, count);
    return;
  }
  const auto begin_of = [&](std::int64_t piece) {
    const auto wanted = static_cast<double>(work(count)) * static_cast<double>(piece) / static_cast<double>(pieces);
    std::int64_t low = 0;
    for (std::int64_t high = count; low < high;) {
      const std::int64_t middle = (low + high) / 2;
      static_cast<double>(work(middle)) < wanted ? low = middle + 1 : high = middle;
    }
    return low;
  };
  parallel_for(pieces, [&](std::int64_t piece) {
    const std::int64_t begin = piece == 0 ? 0 : begin_of(piece);
    const std::int64_t end = piece + 1 == pieces ? count : begin_of(piece + 1);
    if (begin < end) {
      f(begin, end);
    }
  });
}

}  // namespace backflow::kernels::detail
