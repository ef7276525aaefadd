#include <backflow/ops/kernels/reductions/reduce.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/reductions/reduce_loops.h>
#include <backflow/ops/kernels/reductions/reduce_source.h>
#include <backflow/ops/kernels/reductions/reduce_walk.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::kernels {
namespace {

using namespace detail;

constexpr std::int64_t kRowPiece = 64 * 1024;  // elements of one piece of a long row
constexpr std::int64_t kRowBlock = 64;         // rows that are added up one after the other; blocks are added pairwise
constexpr std::int64_t kColumns = 4096;        // columns of one piece: their float64 sums take 32 KiB
constexpr std::int64_t kNarrow = 128;          // columns below which rows are taken several at a time
constexpr std::int64_t kPieces = 32;           // pieces that are enough for the threads

template <class A>
class Folder {
 public:
  explicit Folder(Fold f) : loops_(fold_loops<A>(f)) {}

  /// y [outer, inner] = the fold of each result's elements.
  void run(const Source<A>& x, const Pass& pass, A* y) const {
    if (pass.inner == 1) {
      pass.n > kRowPiece ? long_rows(x, pass, y) : rows(x, pass, y);
    } else if (pass.inner < kNarrow && pass.inner_stride == 1 && pass.stride == pass.inner &&
               pass.n >= 2 * (kNarrow / pass.inner)) {
      narrow(x, pass, y);
    } else {
      columns(x, pass, y);
    }
  }

 private:
  /// The fold of n elements.
  A row(const Source<A>& x, std::int64_t offset, std::int64_t stride, std::int64_t n) const {
    alignas(64) A block[kFetch];
    std::array<A, kRowPiece / kFetch> partial{};
    std::size_t count = 0;
    for (std::int64_t i = 0; i < n; i += kFetch) {
      const std::int64_t size = std::min(kFetch, n - i);
      loops_.rows(x.read(offset + i * stride, stride, size, block), 1, 0, static_cast<std::size_t>(size),
                  &partial[count++]);
    }
    A result = partial[0];
    if (count > 1) {
      loops_.rows(partial.data(), 1, 0, count, &result);
    }
    return result;
  }

  /// Results [begin, end) from rows of at most kRowPiece elements.
  void rows(const Source<A>& x, const Pass& pass, std::int64_t begin, std::int64_t end, A* y) const {
    for (std::int64_t i = begin; i < end;) {
      const std::int64_t run = std::min(pass.run(i), end - i);
      const std::int64_t offset = pass.offset(i);
      if (x.is_plain() && pass.stride == 1) {
        loops_.rows(x.plain(offset), static_cast<std::size_t>(run), static_cast<std::size_t>(pass.run_stride()),
                    static_cast<std::size_t>(pass.n), y + i);
      } else {
        for (std::int64_t k = 0; k < run; ++k) {
          y[i + k] = row(x, offset + k * pass.run_stride(), pass.stride, pass.n);
        }
      }
      i += run;
    }
  }
  void rows(const Source<A>& x, const Pass& pass, A* y) const {
    const std::int64_t count = std::max<std::int64_t>(1, kElementwiseChunk / pass.n);
    parallel_for(chunks_of(pass.outer, count), [&](std::int64_t chunk) {
      rows(x, pass, chunk * count, std::min(pass.outer, (chunk + 1) * count), y);
    });
  }

  /// Rows in pieces, and then the results of each row's pieces.
  void long_rows(const Source<A>& x, const Pass& pass, A* y) const {
    const std::int64_t pieces = chunks_of(pass.n, kRowPiece);
    std::vector<A> partial(static_cast<std::size_t>(pass.outer * pieces));
    parallel_for(pass.outer * pieces, [&](std::int64_t i) {
      const std::int64_t begin = i % pieces * kRowPiece;
      Pass piece;
      piece.n = std::min(kRowPiece, pass.n - begin);
      piece.stride = pass.stride;
      A* const to = partial.data() + i;
      const std::int64_t offset = pass.offset(i / pieces) + begin * pass.stride;
      if (x.is_plain() && pass.stride == 1) {
        loops_.rows(x.plain(offset), 1, 0, static_cast<std::size_t>(piece.n), to);
      } else {
        *to = row(x, offset, piece.stride, piece.n);
      }
    });
    run(Source<A>(partial.data()), dense(pass.outer, pieces, 1), y);
  }

  static Pass dense(std::int64_t outer, std::int64_t n, std::int64_t inner) {
    Pass pass;
    pass.sizes = {outer};
    pass.strides = {n * inner};
    pass.outer = outer;
    pass.n = n;
    pass.stride = inner;
    pass.inner = inner;
    return pass;
  }

  /// Rows that are short and dense: k of them are one row of k times the columns. Row by row, a loop over so few
  /// columns would be over before it pays.
  void narrow(const Source<A>& x, const Pass& pass, A* y) const {
    const std::int64_t k = kNarrow / pass.inner;
    Pass wide = pass;
    wide.n = pass.n / k;
    wide.stride = wide.inner = k * pass.inner;
    std::vector<A> partial(static_cast<std::size_t>(pass.outer * wide.inner));
    columns(x, wide, partial.data());
    columns(Source<A>(partial.data()), dense(pass.outer, k, pass.inner), y);
    const std::int64_t left = pass.n - wide.n * k;
    if (left > 0) {
      alignas(64) A block[kFetch];
      for (std::int64_t o = 0; o < pass.outer; ++o) {
        const std::int64_t offset = pass.offset(o) + (pass.n - left) * pass.stride;
        loops_.columns(x.read(offset, 1, left * pass.inner, block), static_cast<std::size_t>(left),
                       static_cast<std::size_t>(pass.inner), static_cast<std::size_t>(pass.inner), y + o * pass.inner,
                       false);
      }
    }
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

  void columns(const Source<A>& x, const Pass& pass, A* y) const {
    const std::int64_t width = std::min(kColumns, pass.inner);
    const std::int64_t across = chunks_of(pass.inner, width);
    // Few columns: their rows are cut into pieces, too.
    const std::int64_t rows =
        pass.outer * across >= kPieces ? pass.n : std::max(kRowBlock, kRowPiece / width / kRowBlock * kRowBlock);
    const std::int64_t pieces = chunks_of(pass.n, rows);
    std::vector<A> partial(pieces == 1 ? 0 : static_cast<std::size_t>(pass.outer * pieces * pass.inner));
    A* const to = pieces == 1 ? y : partial.data();
    const std::int64_t count = std::max<std::int64_t>(1, kElementwiseChunk / (width * std::min(rows, pass.n)));
    const std::int64_t total = pass.outer * pieces * across;
    parallel_for(chunks_of(total, count), [&](std::int64_t chunk) {
      const int levels = std::bit_width(static_cast<std::uint64_t>(chunks_of(std::min(rows, pass.n), kRowBlock) - 1));
      std::vector<A> scratch(static_cast<std::size_t>(levels * width));
      for (std::int64_t i = chunk * count; i < std::min(total, (chunk + 1) * count); ++i) {
        const std::int64_t piece = i / across;
        const std::int64_t begin = piece % pieces * rows;
        const std::int64_t j = i % across * width;
        column_block(x, pass.offset(piece / pieces) + begin * pass.stride + j * pass.inner_stride, pass,
                     std::min(rows, pass.n - begin), std::min(width, pass.inner - j), to + piece * pass.inner + j,
                     scratch.data());
      }
    });
    if (pieces > 1) {
      columns(Source<A>(partial.data()), dense(pass.outer, pieces, pass.inner), y);
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
