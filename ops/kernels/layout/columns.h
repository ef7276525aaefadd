#pragma once

#include <algorithm>
#include <cstdint>

#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels::detail {

/// Columns that threads do not share: a line of the cache.
inline constexpr std::int64_t kColumnSlice = 16;

/// Calls f(row, first column, number of columns) for blocks of at most `most` columns that together are a matrix
/// [rows, columns], on the pool. The whole takes about `nanoseconds` on one thread, and bits must not depend on the
/// cut. A thread takes whole rows where there are enough of them, else some columns.
template <class F>
void parallel_columns(std::int64_t rows, std::int64_t columns, std::int64_t most, double nanoseconds, const F& f) {
  const std::int64_t slices = chunks_of(columns, kColumnSlice);
  parallel_ranges(rows * slices, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t row = begin / slices;
      const std::int64_t stop = std::min(end, (row + 1) * slices);
      const std::int64_t last = std::min(columns, (stop - row * slices) * kColumnSlice);
      for (std::int64_t j = (begin - row * slices) * kColumnSlice; j < last; j += most) {
        f(row, j, std::min(most, last - j));
      }
      begin = stop;
    }
  });
}

}  // namespace backflow::kernels::detail
