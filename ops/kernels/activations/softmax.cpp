#include <backflow/ops/kernels/activations/softmax.h>

#include <backflow/ops/kernels/activations/softmax_loops.h>
#include <backflow/ops/kernels/layout/columns.h>
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

}  // namespace

void softmax(Softmax kind, const Tensor& y, const Tensor& x, std::size_t dim) {
  const Pieces pieces(x.sizes(), dim);
  const auto n = static_cast<std::size_t>(pieces.n);
  dispatch_floating(x.scalar_type(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    const SoftmaxLoops<T>& loops = softmax_loops<T>(kind);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    pieces.run(
        0.5, [&](std::int64_t at) { loops.row(from + at, to + at, n); },
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
    pieces.run(
        0.25, [&](std::int64_t at) { loops.row_backward(g + at, from + at, to + at, n); },
        [&](std::int64_t at, std::size_t columns) {
          alignas(64) T scratch[2 * kColumns];
          loops.columns_backward(g + at, from + at, to + at, n, static_cast<std::size_t>(pieces.inner), columns,
                                 scratch);
        });
  });
}

}  // namespace backflow::kernels
