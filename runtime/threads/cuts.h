#pragma once

// How loops are cut. There are two kinds. Where a sum is cut, the cut must depend on shapes alone, since the order of
// additions decides the last bits: call parallel_for with a number of chunks that shapes give. Where no sum is cut, and
// the kernel computes an element alike in pieces of any size, bits do not depend on the cut: call parallel_ranges, or
// free_pieces and parallel_for. Such a cut follows the number of threads.

#include <atomic>
#include <cstdint>

#include <backflow/runtime/threads/deferred_work.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow {

namespace detail {
inline std::atomic<std::int64_t> forced_pieces{0};  ///< of a ForcedPieces, or 0
}

/// The number of threads that cuts and schedules are made for: those of the pool, unless an ObservedWork guard of this
/// thread asks for another.
int target_threads();

inline constexpr double kLeastPiece = 2'500;  ///< ns of a piece that is worth handing to another thread

/// The number of pieces of a loop over `count` things, which on one thread takes about `nanoseconds`: enough for
/// target_threads(), each worth handing to another thread. At least 1, and at most `count`. Bits must not depend on it.
std::int64_t free_pieces(std::int64_t count, double nanoseconds);

/// The same for things of a loop that is bound by memory: more pieces where each still takes 50 us, since a core that
/// others slow down would hold up the loop.
std::int64_t range_pieces(std::int64_t count, double nanoseconds);

/// The same for things that take longer in small pieces, as products do: fewer threads have enough to do with larger
/// ones, so that 2 threads get pieces of 60 us at least, and 48 or more those of free_pieces().
std::int64_t coarse_pieces(std::int64_t count, double nanoseconds);

/// The first thing of piece i; piece i ends where the next one begins. All start at multiples of `step`.
constexpr std::int64_t begin_of_piece(std::int64_t i, std::int64_t pieces, std::int64_t count, std::int64_t step = 1) {
  const std::int64_t begin = (count + step - 1) / step * i / pieces * step;
  return begin < count ? begin : count;
}

/// Calls f(begin, end) for ranges that together are [0, count), on the pool. Each begins at a multiple of `step`. The
/// whole loop takes about `nanoseconds` on one thread. Bits must not depend on the cut.
template <class F>
void parallel_ranges(std::int64_t count, double nanoseconds, const F& f, std::int64_t step = 1) {
  if (count == 0) {
    return;
  }
  run_deferred_work();  // it may have to read what this loop will write
  // Decided here for short loops: some operators take little longer than a few calls.
  const bool is_whole = nanoseconds < 2 * kLeastPiece && detail::forced_pieces.load(std::memory_order_relaxed) == 0;
  const std::int64_t pieces = is_whole ? 1 : range_pieces((count + step - 1) / step, nanoseconds);
  if (pieces == 1) {
    f(std::int64_t{0}, count);
    return;
  }
  parallel_for(pieces, [&](std::int64_t i) {
    f(begin_of_piece(i, pieces, count, step), begin_of_piece(i + 1, pieces, count, step));
  });
}

/// Until the end of the scope free_pieces() returns `pieces`, or `count` where that is less, on all threads. For tests
/// that bits do not depend on it; one at a time.
class ForcedPieces {
 public:
  explicit ForcedPieces(std::int64_t pieces);
  ~ForcedPieces();
  ForcedPieces(const ForcedPieces&) = delete;
  ForcedPieces& operator=(const ForcedPieces&) = delete;
};

}  // namespace backflow
