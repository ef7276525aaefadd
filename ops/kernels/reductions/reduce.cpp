#include <backflow/ops/kernels/reductions/reduce.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <memory>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/columns.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/reductions/fold_rows.h>
#include <backflow/ops/kernels/reductions/reduce_loops.h>
#include <backflow/ops/kernels/reductions/reduce_source.h>
#include <backflow/ops/kernels/reductions/reduce_walk.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

using namespace detail;

constexpr std::int64_t kTask = 64 * 1024;  // elements of one piece of few columns
constexpr std::int64_t kRowBlock = 64;     // rows that are added up one after the other; blocks are added pairwise
constexpr std::int64_t kColumns = 4096;    // columns that are taken at a time: their float64 sums take 32 KiB
constexpr std::int64_t kNarrow = 128;      // columns below which rows are taken several at a time
constexpr std::int64_t kPieces = 32;       // pieces from which on the rows of columns stay whole

template <class A>
class Folder {
 public:
  explicit Folder(Fold f) : loops_(fold_loops<A>(f)) {}

  /// y [outer, inner] = the fold of each result's elements.
  void run(const Source<A>& x, const Pass& pass, A* y) const {
    if (pass.inner == 1) {
      RowFolder<A>(loops_, x, pass).run(y);
    } else if (pass.inner < kNarrow && pass.inner_stride == 1 && pass.stride == pass.inner &&
               pass.n >= 2 * (kNarrow / pass.inner)) {
      narrow(x, pass, y);
    } else {
      columns(x, pass, y);
    }
  }

 private:
  /// Rows that are short and dense: k of them are one row of k times the columns. Row by row, a loop over so few
  /// columns would be over before it pays.
  void narrow(const Source<A>& x, const Pass& pass, A* y) const {
    const std::int64_t k = kNarrow / pass.inner;
    Pass wide = pass;
    wide.n = pass.n / k;
    wide.stride = wide.inner = k * pass.inner;
    if (pieces_of_columns(wide) == 1) {
      // No sum is cut: the cut is free.
      parallel_ranges(pass.outer, kNarrowTime * fold_nanoseconds(x, pass.outer * pass.n * pass.inner),
                      [&](std::int64_t begin, std::int64_t end) {
                        for (std::int64_t o = begin; o < end; ++o) {
                          narrow_row(x, pass, wide, o, y + o * pass.inner);
                        }
                      });
      return;
    }
    const auto partial = std::make_unique_for_overwrite<A[]>(static_cast<std::size_t>(pass.outer * wide.inner));
    columns(x, wide, partial.get());
    columns(Source<A>(partial.get()), Pass::dense(pass.outer, k, pass.inner), y);
    for (std::int64_t o = 0; o < pass.outer; ++o) {
      add_left_over(x, pass, wide.n * k, o, y + o * pass.inner);
    }
  }

  static constexpr double kNarrowTime = 4;  // times that of long rows: a call has few of them

  void narrow_row(const Source<A>& x, const Pass& pass, const Pass& wide, std::int64_t o, A* y) const {
    alignas(64) std::array<A, kNarrow> sums;
    with_scratch(wide.n, wide.inner,
                 [&](A* scratch) { column_block(x, pass.offset(o), wide, wide.n, wide.inner, sums.data(), scratch); });
    loops_.columns(sums.data(), static_cast<std::size_t>(wide.inner / pass.inner), static_cast<std::size_t>(pass.inner),
                   static_cast<std::size_t>(pass.inner), y, true);
    add_left_over(x, pass, wide.n * (wide.inner / pass.inner), o, y);
  }

  /// The last rows of one result, from row `first` on.
  void add_left_over(const Source<A>& x, const Pass& pass, std::int64_t first, std::int64_t o, A* y) const {
    if (first == pass.n) {
      return;
    }
    alignas(64) A block[kFetch];
    const std::int64_t left = pass.n - first;
    loops_.columns(x.read(pass.offset(o) + first * pass.stride, 1, left * pass.inner, block),
                   static_cast<std::size_t>(left), static_cast<std::size_t>(pass.inner),
                   static_cast<std::size_t>(pass.inner), y, false);
  }

  /// y[j] = the fold over rows of n columns: blocks of rows, added pairwise. `scratch` has n elements for every level
  /// of the pairs.
  void column_block(const Source<A>& x, std::int64_t offset, const Pass& pass, std::int64_t rows, std::int64_t n, A* y,
                    A* scratch) const {
    if (rows > kRowBlock) {
      const std::int64_t half = (chunks_of(rows, kRowBlock) + 1) / 2 * kRowBlock;
      column_block(x, offset, pass, half, n, y, scratch);
      column_block(x, offset + half * pass.stride, pass, rows - half, n, scratch, scratch + n);
      loops_.columns(scratch, 1, 0, static_cast<std::size_t>(n), y, false);
    } else if (x.is_plain() && pass.inner_stride == 1) {
      loops_.columns(x.plain(offset), static_cast<std::size_t>(rows), static_cast<std::size_t>(pass.stride),
                     static_cast<std::size_t>(n), y, true);
    } else {
      alignas(64) A block[kFetch];
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t j = 0; j < n; j += kFetch) {
          const std::int64_t size = std::min(kFetch, n - j);
          const A* from = x.read(offset + r * pass.stride + j * pass.inner_stride, pass.inner_stride, size, block);
          loops_.columns(from, 1, 0, static_cast<std::size_t>(size), y + j, r == 0);
        }
      }
    }
  }

  /// Calls f(scratch) with what column_block() needs for n columns of `rows` rows.
  template <class F>
  void with_scratch(std::int64_t rows, std::int64_t n, const F& f) const {
    const std::int64_t levels = std::bit_width(static_cast<std::uint64_t>(chunks_of(rows, kRowBlock) - 1));
    alignas(64) std::array<A, kFetch> few;
    if (levels * n <= kFetch) {
      f(few.data());
    } else {
      f(std::make_unique_for_overwrite<A[]>(static_cast<std::size_t>(levels * n)).get());
    }
  }

  /// Few columns: their rows are cut into pieces, which cuts sums.
  static std::int64_t rows_of_piece(const Pass& pass) {
    const std::int64_t width = std::min(kColumns, pass.inner);
    return pass.outer * chunks_of(pass.inner, width) >= kPieces
               ? pass.n
               : std::max(kRowBlock, kTask / width / kRowBlock * kRowBlock);
  }
  static std::int64_t pieces_of_columns(const Pass& pass) { return chunks_of(pass.n, rows_of_piece(pass)); }

  void columns(const Source<A>& x, const Pass& pass, A* y) const {
    const std::int64_t width = std::min(kColumns, pass.inner);
    const std::int64_t rows = rows_of_piece(pass);
    const std::int64_t pieces = pieces_of_columns(pass);
    std::unique_ptr<A[]> partial;
    if (pieces > 1) {
      partial = std::make_unique_for_overwrite<A[]>(static_cast<std::size_t>(pass.outer * pieces * pass.inner));
    }
    A* const to = pieces == 1 ? y : partial.get();
    // Which pieces, and which columns of them, a thread takes is free.
    const double time = fold_nanoseconds(x, pass.outer * pass.n * pass.inner);
    parallel_columns(pass.outer * pieces, pass.inner, width, time, [&](std::int64_t i, std::int64_t j, std::int64_t n) {
      const std::int64_t row = i % pieces * rows;
      with_scratch(std::min(rows, pass.n), n, [&](A* scratch) {
        column_block(x, pass.offset(i / pieces) + row * pass.stride + j * pass.inner_stride, pass,
                     std::min(rows, pass.n - row), n, to + i * pass.inner + j, scratch);
      });
    });
    if (pieces > 1) {
      columns(Source<A>(partial.get()), Pass::dense(pass.outer, pieces, pass.inner), y);
    }
  }

  const FoldLoops<A>& loops_;
};

template <class A>
void fold_as(Fold f, const Source<A>& x, Walk& walk, const Tensor& y) {
  const Folder<A> folder(f);
  Tensor from;
  Source<A> source = x;
  while (!walk.done()) {
    const Pass pass = walk.next();
    const bool last = walk.done() && walk.in_order();
    const Tensor to = last ? y : empty_tensor({pass.outer * pass.inner}, y.scalar_type());
    A* const data = static_cast<A*>(to.mutable_data_ptr());
    folder.run(source, pass, data);
    if (last) {
      return;
    }
    from = to;
    source = Source<A>(data);
  }
  walk.copy_result(y, from);
}

/// The fold of nothing.
Scalar identity(Fold f, Map map) {
  if (f == Fold::Sum || f == Fold::Prod) {
    return f == Fold::Prod;
  }
  const double infinity = std::numeric_limits<double>::infinity();
  return map == Map::NonZero ? Scalar(f == Fold::Min) : Scalar(f == Fold::Max ? -infinity : infinity);
}

}  // namespace

void fold(Fold f, Map map, const Tensor& y, const Tensor& x, const DimVector& reduced, double power) {
  if (y.numel() == 0) {
    return;
  }
  if (x.numel() == 0) {
    fill(y, identity(f, map));
    return;
  }
  Walk walk(x, reduced);
  const auto run = [&](auto zero) {
    using A = decltype(zero);
    fold_as<A>(f, Source<A>(x, map, power), walk, y);
  };
  switch (y.scalar_type()) {
    case kBool:
    case kUInt8:
      return run(std::uint8_t{});
    case kInt32:
      return run(std::int32_t{});
    case kInt64:
      return run(std::int64_t{});
    case kFloat32:
      return run(float{});
    default:
      return run(double{});
  }
}

}  // namespace backflow::kernels
