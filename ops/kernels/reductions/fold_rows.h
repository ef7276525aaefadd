#pragma once

// The fold of contiguous or strided rows: a pass of a reduction whose inner size is 1.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/reductions/reduce_loops.h>
#include <backflow/ops/kernels/reductions/reduce_source.h>
#include <backflow/ops/kernels/reductions/reduce_walk.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels::detail {

/// The time that a fold of `elements` takes on one thread.
template <class A>
double fold_nanoseconds(const Source<A>& x, std::int64_t elements) {
  return (x.is_plain() ? 0.015 * sizeof(A) : 0.3) * static_cast<double>(elements);
}

/// How the sum of a row is cut follows from its length: pieces, and in them blocks that are added pairwise. Where that
/// tree of additions is cut for the threads is free.
template <class A>
class RowFolder {
 public:
  RowFolder(const FoldLoops<A>& loops, const Source<A>& x, const Pass& pass)
      : loops_(loops),
        x_(x),
        pass_(pass),
        is_plain_(x.is_plain() && pass.stride == 1),
        pieces_(chunks_of(pass.n, kRowPiece)) {}

  void run(A* y) const {
    if (pieces_ == 1) {
      fold_pieces(y);
      return;
    }
    std::vector<A> partial(static_cast<std::size_t>(pass_.outer * pieces_));
    fold_pieces(partial.data());
    RowFolder(loops_, Source<A>(partial.data()), Pass::dense(pass_.outer, pieces_, 1)).run(y);
  }

 private:
  static constexpr std::int64_t kRowPiece = 64 * 1024;  // elements of one piece of a long row
  static constexpr std::int64_t kLeaf = 8 * kFetch;     // elements that threads do not share

  struct RowPiece {
    std::int64_t offset;
    std::int64_t n;
  };
  RowPiece piece(std::int64_t i) const {
    const std::int64_t begin = i % pieces_ * kRowPiece;
    return {pass_.offset(i / pieces_) + begin * pass_.stride, std::min(kRowPiece, pass_.n - begin)};
  }

  /// The folds of the pieces of all rows. Threads share out the pieces; where there are fewer than threads, their
  /// parts.
  void fold_pieces(A* y) const {
    const std::int64_t total = pass_.outer * pieces_;
    const double time = fold_nanoseconds(x_, pass_.outer * pass_.n);
    if (pass_.n > kLeaf && free_pieces(pass_.outer * chunks_of(pass_.n, kLeaf), time) > total) {
      fold_parts(time, y);
      return;
    }
    parallel_ranges(total, time, [&](std::int64_t begin, std::int64_t end) {
      pieces_ == 1 && is_plain_ ? rows(begin, end, y) : row_by_row(begin, end, y);
    });
  }

  void rows(std::int64_t begin, std::int64_t end, A* y) const {
    while (begin < end) {
      const std::int64_t run = std::min(pass_.run(begin), end - begin);
      loops_.rows(x_.plain(pass_.offset(begin)), static_cast<std::size_t>(run),
                  static_cast<std::size_t>(pass_.run_stride()), static_cast<std::size_t>(pass_.n), y + begin);
      begin += run;
    }
  }
  void row_by_row(std::int64_t begin, std::int64_t end, A* y) const {
    std::array<A, kRowPiece / kFetch> slots;
    for (std::int64_t i = begin; i < end; ++i) {
      const RowPiece p = piece(i);
      fold_part(p.offset, p.n, slots.data());
      y[i] = is_plain_ ? slots[0] : of_blocks(p.n, slots.data());
    }
  }

  void fold_parts(double time, A* y) const {
    struct Part {
      std::int64_t piece;
      std::int64_t begin;
      std::int64_t n;
    };
    const std::int64_t total = pass_.outer * pieces_;
    const std::int64_t blocks = chunks_of(std::min(pass_.n, kRowPiece), kFetch);
    std::vector<Part> parts;
    for (std::int64_t i = 0; i < total; ++i) {
      for_parts(0, piece(i).n, [&](std::int64_t begin, std::int64_t n) { parts.push_back({i, begin, n}); });
    }
    std::vector<A> slots(static_cast<std::size_t>(total * blocks));
    parallel_ranges(static_cast<std::int64_t>(parts.size()), time, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const Part& part = parts[static_cast<std::size_t>(k)];
        fold_part(piece(part.piece).offset + part.begin * pass_.stride, part.n,
                  slots.data() + part.piece * blocks + part.begin / kFetch);
      }
    });
    for (std::int64_t i = 0; i < total; ++i) {
      y[i] = is_plain_ ? of_parts(piece(i).n, slots.data() + i * blocks)
                       : of_blocks(piece(i).n, slots.data() + i * blocks);
    }
  }

  /// Where FoldLoops::rows cuts n elements in two.
  static std::int64_t half_of(std::int64_t n) { return (n / kFetch + 1) / 2 * kFetch; }
  /// Calls f(begin, n) for the parts of n elements from `begin` on: branches of the tree of FoldLoops::rows.
  template <class F>
  static void for_parts(std::int64_t begin, std::int64_t n, const F& f) {
    if (n <= kLeaf) {
      f(begin, n);
      return;
    }
    for_parts(begin, half_of(n), f);
    for_parts(begin + half_of(n), n - half_of(n), f);
  }

  /// Puts the fold of a part into the first slot, or where elements have to be fetched those of its blocks into one
  /// each.
  void fold_part(std::int64_t offset, std::int64_t n, A* slots) const {
    if (is_plain_) {
      loops_.rows(x_.plain(offset), 1, 0, static_cast<std::size_t>(n), slots);
      return;
    }
    alignas(64) A block[kFetch];
    for (std::int64_t i = 0; i < n; i += kFetch) {
      const std::int64_t size = std::min(kFetch, n - i);
      loops_.rows(x_.read(offset + i * pass_.stride, pass_.stride, size, block), 1, 0, static_cast<std::size_t>(size),
                  slots + i / kFetch);
    }
  }
  A of_parts(std::int64_t n, const A* slots) const {
    if (n <= kLeaf) {
      return slots[0];
    }
    A result = of_parts(half_of(n), slots);
    const A right = of_parts(n - half_of(n), slots + half_of(n) / kFetch);
    loops_.columns(&right, 1, 0, 1, &result, false);
    return result;
  }
  A of_blocks(std::int64_t n, const A* slots) const {
    A result = slots[0];
    if (n > kFetch) {
      loops_.rows(slots, 1, 0, static_cast<std::size_t>(chunks_of(n, kFetch)), &result);
    }
    return result;
  }

  const FoldLoops<A>& loops_;
  const Source<A>& x_;
  const Pass& pass_;
  bool is_plain_;
  std::int64_t pieces_;
};

}  // namespace backflow::kernels::detail
