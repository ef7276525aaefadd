#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels::detail {

/// Rows of n elements each, in pieces of `piece` elements that the length of a row alone decides: sums of rows are cut
/// there. Which of the pieces a thread takes is free.
struct LongRows {
  std::int64_t rows;
  std::int64_t n;
  std::int64_t piece;
  std::int64_t count;  // of the pieces of a row

  LongRows(std::int64_t rows_, std::int64_t n_, std::int64_t piece_)
      : rows(rows_), n(n_), piece(piece_), count(chunks_of(n_, piece_)) {}

  std::int64_t pieces() const { return count; }
  std::int64_t begin(std::int64_t p) const { return p * piece; }
  std::int64_t size(std::int64_t p) const { return std::min(piece, n - p * piece); }

  /// Calls first(row, p) for all pieces, of_row(row) for a row of which all pieces are done, and then second(row, p)
  /// for its pieces. All this takes about `nanoseconds` on one thread. A thread takes whole rows, which stay in its
  /// cache, where there are enough of them; else there are two loops over pieces.
  template <class First, class OfRow, class Second>
  void run(double nanoseconds, const First& first, const OfRow& of_row, const Second& second) const {
    if (takes_rows(nanoseconds)) {
      parallel_ranges(rows, nanoseconds, [&](std::int64_t begin_row, std::int64_t end_row) {
        for (std::int64_t row = begin_row; row < end_row; ++row) {
          for (std::int64_t p = 0; p < pieces(); ++p) {
            first(row, p);
          }
          of_row(row);
          for (std::int64_t p = 0; p < pieces(); ++p) {
            second(row, p);
          }
        }
      });
      return;
    }
    reduce(nanoseconds / 2, first, of_row);
    for_pieces(nanoseconds / 2, second);
  }

  /// Calls first(row, p) for all pieces, and of_row(row) for a row of which all are done.
  template <class First, class OfRow>
  void reduce(double nanoseconds, const First& first, const OfRow& of_row) const {
    // Whoever does the last piece of a row sees all others': that saves a loop.
    std::vector<std::atomic<std::int64_t>> done(static_cast<std::size_t>(rows));
    for_pieces(nanoseconds, [&](std::int64_t row, std::int64_t p) {
      first(row, p);
      if (done[static_cast<std::size_t>(row)].fetch_add(1, std::memory_order_acq_rel) + 1 == pieces()) {
        of_row(row);
      }
    });
  }

  /// Calls f(row, p) for all pieces.
  template <class F>
  void for_pieces(double nanoseconds, const F& f) const {
    parallel_ranges(rows * pieces(), nanoseconds, [&](std::int64_t begin_piece, std::int64_t end_piece) {
      for (std::int64_t i = begin_piece; i < end_piece; ++i) {
        f(i / pieces(), i % pieces());
      }
    });
  }

 private:
  static constexpr double kLoop = 5'000;  // ns of one more loop on many threads
  static constexpr double kReread = 1.1;  // the time of two walks of which the second finds the row in no near cache

  bool takes_rows(double nanoseconds) const {
    const std::int64_t threads = target_threads();
    const double by_rows = nanoseconds * static_cast<double>(chunks_of(rows, threads)) / static_cast<double>(rows);
    return threads == 1 || pieces() == 1 || by_rows <= nanoseconds * kReread / static_cast<double>(threads) + kLoop;
  }
};

}  // namespace backflow::kernels::detail
