#include <backflow/ops/kernels/activations/softmax.h>

#include <numeric>
#include <vector>

#include <backflow/ops/kernels/activations/softmax_loops.h>
#include <backflow/ops/kernels/layout/columns.h>
#include <backflow/ops/kernels/layout/long_rows.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kColumns = 256;  // columns of one piece: maxima and sums of each stay in the L1 cache

/// Calls of_row(offset) on rows of a shape whose dimension `dim` is the last, or else of_columns(offset, columns) on
/// blocks of columns. Each sum is one thread's: the cut is free. An element takes about `nanoseconds`.
struct Pieces {
  std::int64_t outer = 1;
  std::int64_t n = 1;
  std::int64_t inner = 1;

  Pieces(IntArrayRef sizes, std::size_t dim) {
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      (d < dim ? outer : d == dim ? n : inner) *= sizes[d];
    }
  }
  template <class Rows, class Columns>
  void run(double nanoseconds, const Rows& of_row, const Columns& of_columns) const {
    if (outer * n * inner == 0) {
      return;
    }
    const double time = nanoseconds * static_cast<double>(outer * n * inner);
    if (inner == 1) {
      parallel_ranges(outer, time, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          of_row(i * n);
        }
      });
      return;
    }
    detail::parallel_columns(outer, inner, kColumns, time, [&](std::int64_t o, std::int64_t j, std::int64_t columns) {
      of_columns(o * n * inner + j, static_cast<std::size_t>(columns));
    });
  }
};

constexpr double kForward = 0.5;  // ns of an element
constexpr double kBackward = 0.25;

bool is_long(const Pieces& pieces) { return pieces.inner == 1 && pieces.n > kSoftmaxPiece && pieces.outer > 0; }

/// The loops of long rows: each piece by its own largest element at first.
template <class T>
void of_long_rows(Softmax kind, const detail::LongRows& all, const T* x, T* y) {
  const SoftmaxLoops<T>& loops = softmax_loops<T>(kind);
  const std::int64_t pieces = all.pieces();
  std::vector<PieceStatistics<T>> found(static_cast<std::size_t>(all.rows * pieces));
  std::vector<LongRowStatistics<T>> of_rows(static_cast<std::size_t>(all.rows));
  const auto piece_of = [&](std::int64_t row, std::int64_t p) -> PieceStatistics<T>& {
    return found[static_cast<std::size_t>(row * pieces + p)];
  };
  all.run(
      kForward * static_cast<double>(all.rows * all.n),
      [&](std::int64_t row, std::int64_t p) {
        const std::int64_t at = row * all.n + all.begin(p);
        piece_of(row, p) = loops.piece(x + at, y + at, static_cast<std::size_t>(all.size(p)));
      },
      [&](std::int64_t row) {
        LongRowStatistics<T> statistics = join(&piece_of(row, 0), static_cast<std::size_t>(pieces));
        if (!statistics.is_ordinary()) {
          loops.row(x + row * all.n, y + row * all.n, static_cast<std::size_t>(all.n));
        }
        statistics.sum = kind == Softmax::Plain ? 1 / statistics.sum : std::log(statistics.sum);
        of_rows[static_cast<std::size_t>(row)] = statistics;
      },
      [&](std::int64_t row, std::int64_t p) {
        const LongRowStatistics<T>& statistics = of_rows[static_cast<std::size_t>(row)];
        if (!statistics.is_ordinary()) {
          return;
        }
        const double factor = kind == Softmax::Plain ? static_cast<double>(piece_of(row, p).sum) : 1;
        const std::int64_t at = row * all.n + all.begin(p);
        loops.finish_piece(x + at, y + at, static_cast<std::size_t>(all.size(p)), statistics.largest,
                           static_cast<T>(factor * statistics.sum));
      });
}

template <class T>
void of_long_rows_backward(Softmax kind, const detail::LongRows& all, const T* dy, const T* y, T* dx) {
  const SoftmaxLoops<T>& loops = softmax_loops<T>(kind);
  const std::int64_t pieces = all.pieces();
  std::vector<T> sums(static_cast<std::size_t>(all.rows * pieces));
  std::vector<T> of_rows(static_cast<std::size_t>(all.rows));
  all.run(
      kBackward * static_cast<double>(all.rows * all.n),
      [&](std::int64_t row, std::int64_t p) {
        const std::int64_t at = row * all.n + all.begin(p);
        sums[static_cast<std::size_t>(row * pieces + p)] =
            loops.sum_backward(dy + at, y + at, static_cast<std::size_t>(all.size(p)));
      },
      [&](std::int64_t row) {
        const T* const own = sums.data() + row * pieces;
        of_rows[static_cast<std::size_t>(row)] = static_cast<T>(std::accumulate(own, own + pieces, 0.0));
      },
      [&](std::int64_t row, std::int64_t p) {
        const std::int64_t at = row * all.n + all.begin(p);
        loops.piece_backward(dy + at, y + at, dx + at, static_cast<std::size_t>(all.size(p)),
                             of_rows[static_cast<std::size_t>(row)]);
      });
}

}  // namespace

void softmax(Softmax kind, const Tensor& y, const Tensor& x, std::size_t dim) {
  const Pieces pieces(x.sizes(), dim);
  const auto n = static_cast<std::size_t>(pieces.n);
  dispatch_floating(x.scalar_type(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    const SoftmaxLoops<T>& loops = softmax_loops<T>(kind);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    if (is_long(pieces)) {
      of_long_rows(kind, {pieces.outer, pieces.n, kSoftmaxPiece}, from, to);
      return;
    }
    pieces.run(
        kForward, [&](std::int64_t at) { loops.row(from + at, to + at, n); },
        [&](std::int64_t at, std::size_t columns) {
          alignas(64) T scratch[2 * kColumns];
          loops.columns(from + at, to + at, n, static_cast<std::size_t>(pieces.inner), columns, scratch);
        });
  });
}

void softmax_backward(Softmax kind, const Tensor& dx, const Tensor& dy, const Tensor& y, std::size_t dim) {
  const Pieces pieces(y.sizes(), dim);
  const auto n = static_cast<std::size_t>(pieces.n);
  dispatch_floating(y.scalar_type(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    const SoftmaxLoops<T>& loops = softmax_loops<T>(kind);
    const T* const g = dy.const_data_ptr<T>();
    const T* const from = y.const_data_ptr<T>();
    T* const to = dx.mutable_data_ptr<T>();
    if (is_long(pieces)) {
      of_long_rows_backward(kind, {pieces.outer, pieces.n, kSoftmaxPiece}, g, from, to);
      return;
    }
    pieces.run(
        kBackward, [&](std::int64_t at) { loops.row_backward(g + at, from + at, to + at, n); },
        [&](std::int64_t at, std::size_t columns) {
          alignas(64) T scratch[2 * kColumns];
          loops.columns_backward(g + at, from + at, to + at, n, static_cast<std::size_t>(pieces.inner), columns,
                                 scratch);
        });
  });
}

}  // namespace backflow::kernels
