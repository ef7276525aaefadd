#include <backflow/ops/kernels/reductions/scan.h>

#include <algorithm>
#include <array>
#include <vector>

#include <backflow/ops/kernels/layout/columns.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/reductions/scan_loops.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kPiece = 4096;    // elements of one piece of a line, which cuts its sum: the same for all lines
constexpr std::int64_t kColumns = 1024;  // columns of one piece, whose running values stay in the L1 cache
constexpr std::int64_t kLines = 4;       // lines that go side by side
constexpr double kElement = 0.3;         // ns of an element

struct Shape {
  std::int64_t outer = 1;
  std::int64_t n = 1;
  std::int64_t inner = 1;

  Shape(IntArrayRef sizes, std::size_t dim) {
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      (d < dim ? outer : d == dim ? n : inner) *= sizes[d];
    }
  }
};

/// Scans of contiguous lines, cut into pieces of which each continues the one before. The totals of the pieces are
/// computed first: x is read twice, but all pieces can run at once. Which of them a thread takes is free.
template <class T>
class LineScan {
 public:
  LineScan(Scan f, Direction direction, const Shape& shape, const T* x, T* y)
      : f_(f), loops_(scan_loops<T>(f)), backward_(direction == Direction::Backward), shape_(shape), x_(x), y_(y) {}

  void run() {
    pieces_ = chunks_of(shape_.n, kPiece);
    const auto total = shape_.outer * pieces_;
    starts_.assign(static_cast<std::size_t>(total), ScanType<T>(f_ == Scan::Prod));
    if (pieces_ > 1) {
      find_starts();
    }
    parallel_ranges(
        total, nanoseconds(),
        [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; i += kLines) {
            scan_pieces(i, std::min(kLines, end - i));
          }
        },
        kLines);
  }

 private:
  std::int64_t begin(std::int64_t i) const { return i % pieces_ * kPiece; }
  std::int64_t size(std::int64_t i) const { return std::min(kPiece, shape_.n - begin(i)); }
  std::int64_t offset(std::int64_t i) const { return i / pieces_ * shape_.n + begin(i); }

  double nanoseconds() const { return kElement * static_cast<double>(shape_.outer * shape_.n); }

  void find_starts() {
    parallel_ranges(shape_.outer * pieces_, nanoseconds(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        starts_[static_cast<std::size_t>(i)] = loops_.total(x_ + offset(i), static_cast<std::size_t>(size(i)));
      }
    });
    for (std::int64_t o = 0; o < shape_.outer; ++o) {
      auto running = ScanType<T>(f_ == Scan::Prod);
      for (std::int64_t p = 0; p < pieces_; ++p) {
        auto& start = starts_[static_cast<std::size_t>(o * pieces_ + (backward_ ? pieces_ - 1 - p : p))];
        const auto next = f_ == Scan::Sum ? running + start : running * start;
        start = running;
        running = next;
      }
    }
  }

  /// Pieces [first, first + count): side by side while they are equally long and four, else one after the other.
  void scan_pieces(std::int64_t first, std::int64_t count) {
    bool together = count == kLines;
    for (std::int64_t k = 0; k < count; ++k) {
      together = together && size(first + k) == size(first);
    }
    if (together) {
      std::array<const T*, kLines> from;
      std::array<T*, kLines> to;
      for (std::int64_t k = 0; k < kLines; ++k) {
        const std::int64_t at = offset(first + k) + (backward_ ? size(first) - 1 : 0);
        from[static_cast<std::size_t>(k)] = x_ + at;
        to[static_cast<std::size_t>(k)] = y_ + at;
      }
      loops_.lines(from.data(), to.data(), &starts_[static_cast<std::size_t>(first)],
                   static_cast<std::size_t>(size(first)), backward_ ? -1 : 1);
      return;
    }
    for (std::int64_t k = first; k < first + count; ++k) {
      auto running = starts_[static_cast<std::size_t>(k)];
      for (std::int64_t i = 0; i < size(k); ++i) {
        const std::int64_t at = offset(k) + (backward_ ? size(k) - 1 - i : i);
        const auto v = static_cast<ScanType<T>>(x_[at]);
        running = f_ == Scan::Sum ? running + v : running * v;
        y_[at] = static_cast<T>(running);
      }
    }
  }

  Scan f_;
  const ScanLoops<T>& loops_;
  bool backward_;
  Shape shape_;
  const T* x_;
  T* y_;
  std::int64_t pieces_ = 1;
  std::vector<ScanType<T>> starts_;
};

/// Calls body(offset of the first row, distance of rows, columns) on pieces of few columns. A column is one thread's:
/// the cut is free.
template <class F>
void for_each_block(const Shape& shape, Direction direction, const F& body) {
  const bool backward = direction == Direction::Backward;
  const double time = kElement * static_cast<double>(shape.outer * shape.n * shape.inner);
  detail::parallel_columns(shape.outer, shape.inner, kColumns, time,
                           [&](std::int64_t o, std::int64_t j, std::int64_t columns) {
                             const std::int64_t first = (o * shape.n + (backward ? shape.n - 1 : 0)) * shape.inner + j;
                             body(first, backward ? -shape.inner : shape.inner, columns);
                           });
}

template <class F>
void dispatch_scan(ScalarType dtype, const F& f) {
  dtype == kInt64 ? f(std::int64_t{}) : dispatch_floating(dtype, "scan", f);
}

}  // namespace

void scan(Scan f, Direction direction, const Tensor& y, const Tensor& x, std::size_t dim) {
  if (y.numel() == 0) {
    return;
  }
  const Shape shape(x.sizes(), dim);
  dispatch_scan(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    if (shape.inner == 1) {
      LineScan<T>(f, direction, shape, from, to).run();
      return;
    }
    const ScanLoops<T>& loops = scan_loops<T>(f);
    for_each_block(shape, direction, [&](std::int64_t first, std::int64_t step, std::int64_t columns) {
      std::array<ScanType<T>, kColumns> running;
      std::fill_n(running.begin(), columns, ScanType<T>(f == Scan::Prod));
      loops.rows(from + first, running.data(), to + first, static_cast<std::size_t>(shape.n), step,
                 static_cast<std::size_t>(columns));
    });
  });
}

void recurrence(Direction direction, const Tensor& y, const Tensor& b, const Tensor& a, std::size_t dim) {
  if (y.numel() == 0) {
    return;
  }
  const Shape shape(y.sizes(), dim);
  dispatch_floating(y.scalar_type(), "recurrence", [&](auto zero) {
    using T = decltype(zero);
    const T* const inputs = b.const_data_ptr<T>();
    const T* const factors = a.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    for_each_block(shape, direction, [&](std::int64_t first, std::int64_t step, std::int64_t columns) {
      std::copy_n(inputs + first, columns, to + first);
      for (std::int64_t r = 1; r < shape.n; ++r) {
        const std::int64_t at = first + r * step;
        for (std::int64_t j = 0; j < columns; ++j) {
          to[at + j] = inputs[at + j] + factors[at + j] * to[at - step + j];
        }
      }
    });
  });
}

}  // namespace backflow::kernels
