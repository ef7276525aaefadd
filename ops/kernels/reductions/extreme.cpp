// Maxima and minima with their indices.
#include <algorithm>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/columns.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/reductions/extreme_loops.h>
#include <backflow/ops/kernels/reductions/reduce.h>
#include <backflow/ops/kernels/reductions/reduce_loops.h>
#include <backflow/ops/kernels/reductions/reduce_source.h>
#include <backflow/ops/kernels/reductions/reduce_walk.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

using namespace detail;

constexpr std::int64_t kColumns = kFetch;        // columns of one piece
constexpr std::int64_t kLeastRow = 16 * kFetch;  // elements of a row that threads do not share
constexpr std::int64_t kLeastRows = 512;         // rows of columns that threads do not share

template <class A>
struct Extreme {
  A value;
  std::int64_t index;
};

template <class A>
class Seeker {
 public:
  Seeker(Fold f, Source<A> x, Pass pass)
      : f_(f), x_(x), pass_(std::move(pass)), folds_(fold_loops<A>(f)), loops_(extreme_loops<A>()) {}

  // Nothing is summed: the cut is free. Where results are fewer than threads, each is cut into parts, of which the
  // first with the extreme number counts.
  void run(A* values, std::int64_t* indices) const {
    pass_.inner > 1 ? columns(values, indices) : rows(values, indices);
  }

 private:
  /// Whether `next` takes the place of `best`, which came before.
  bool beyond(A next, A best) const {
    // NOLINTNEXTLINE(misc-redundant-expression): a number differs from itself when it is NaN
    return (f_ == Fold::Max ? next > best : next < best) || (next != next && best == best);
  }

  double nanoseconds() const {
    return (x_.is_plain() ? 0.1 : 0.3) * static_cast<double>(pass_.outer * pass_.n * pass_.inner);
  }
  /// Of how many parts each of `results` is made, whose elements are `units` in a row.
  std::int64_t parts_of(std::int64_t results, std::int64_t units) const {
    return std::min(units, chunks_of(free_pieces(results * units, nanoseconds()), results));
  }

  void rows(A* values, std::int64_t* indices) const {
    const std::int64_t blocks = chunks_of(pass_.n, kFetch);
    const std::int64_t parts = parts_of(pass_.outer, chunks_of(pass_.n, kLeastRow));
    const auto at = [&](std::int64_t part) { return std::min(pass_.n, begin_of_piece(part, parts, blocks) * kFetch); };
    std::vector<Extreme<A>> found(parts == 1 ? 0 : static_cast<std::size_t>(pass_.outer * parts));
    parallel_ranges(pass_.outer * parts, nanoseconds(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const Extreme<A> best = of_row(i / parts, at(i % parts), at(i % parts + 1));
        if (parts > 1) {
          found[static_cast<std::size_t>(i)] = best;
        } else {
          values[i] = best.value;
          indices[i] = best.index;
        }
      }
    });
    for (std::int64_t o = 0; parts > 1 && o < pass_.outer; ++o) {
      Extreme<A> best = found[static_cast<std::size_t>(o * parts)];
      for (std::int64_t p = 1; p < parts; ++p) {
        const Extreme<A>& next = found[static_cast<std::size_t>(o * parts + p)];
        best = beyond(next.value, best.value) ? next : best;
      }
      values[o] = best.value;
      indices[o] = best.index;
    }
  }

  /// Of elements [begin, end) of row o.
  Extreme<A> of_row(std::int64_t o, std::int64_t begin, std::int64_t end) const {
    alignas(64) A block[kFetch];
    Extreme<A> best{};
    const std::int64_t offset = pass_.offset(o);
    for (std::int64_t i = begin; i < end; i += kFetch) {
      const std::int64_t size = std::min(kFetch, end - i);
      const A* from = x_.read(offset + i * pass_.stride, pass_.stride, size, block);
      Extreme<A> next{A{}, i};
      folds_.rows(from, 1, 0, static_cast<std::size_t>(size), &next.value);
      if (i == begin || beyond(next.value, best.value)) {
        next.index += static_cast<std::int64_t>(loops_.find(from, static_cast<std::size_t>(size), next.value));
        best = next;
      }
    }
    return best;
  }

  void columns(A* values, std::int64_t* indices) const {
    const std::int64_t parts =
        parts_of(pass_.outer * chunks_of(pass_.inner, kColumnSlice), chunks_of(pass_.n, kLeastRows));
    const std::int64_t results = pass_.outer * pass_.inner;
    std::vector<A> found(parts == 1 ? 0 : static_cast<std::size_t>(results * parts));
    std::vector<std::int64_t> at(found.size());
    A* const v = parts == 1 ? values : found.data();
    std::int64_t* const rows = parts == 1 ? indices : at.data();
    parallel_columns(pass_.outer * parts, pass_.inner, kColumns, nanoseconds(),
                     [&](std::int64_t i, std::int64_t j, std::int64_t n) {
                       of_columns(i / parts, j, n, begin_of_piece(i % parts, parts, pass_.n),
                                  begin_of_piece(i % parts + 1, parts, pass_.n), v + i * pass_.inner + j,
                                  rows + i * pass_.inner + j);
                     });
    for (std::int64_t i = 0; parts > 1 && i < results; ++i) {
      const std::int64_t first = i / pass_.inner * parts * pass_.inner + i % pass_.inner;
      std::int64_t best = first;
      for (std::int64_t k = first; k < first + parts * pass_.inner; k += pass_.inner) {
        best = beyond(v[k], v[best]) ? k : best;
      }
      values[i] = v[best];
      indices[i] = rows[best];
    }
  }

  /// Of rows [begin, end) of n columns from column j on.
  void of_columns(std::int64_t o, std::int64_t j, std::int64_t n, std::int64_t begin, std::int64_t end, A* values,
                  std::int64_t* indices) const {
    alignas(64) A block[kFetch];
    const auto update = f_ == Fold::Max ? loops_.row_max : loops_.row_min;
    const std::int64_t offset = pass_.offset(o) + j * pass_.inner_stride;
    std::fill_n(indices, n, begin);
    for (std::int64_t r = begin; r < end; ++r) {
      const A* from = x_.read(offset + r * pass_.stride, pass_.inner_stride, n, block);
      r == begin ? void(std::copy_n(from, n, values)) : update(from, r, values, indices, static_cast<std::size_t>(n));
    }
  }

  Fold f_;
  Source<A> x_;
  Pass pass_;
  const FoldLoops<A>& folds_;
  const ExtremeLoops<A>& loops_;
};

template <class A>
void seek(Fold f, const Tensor& values, const Tensor& indices, const Tensor& x, Walk& walk, ScalarType computed) {
  const Pass pass = walk.next();
  const std::int64_t count = pass.outer * pass.inner;
  const Tensor found = empty_tensor({count}, computed);
  const Tensor at = empty_tensor({count}, kInt64);
  Seeker<A>(f, Source<A>(x, Map::None, 0), pass)
      .run(static_cast<A*>(found.mutable_data_ptr()), at.mutable_data_ptr<std::int64_t>());
  walk.copy_result(indices, at);
  if (values.defined()) {
    walk.copy_result(values, found);
  }
}

}  // namespace

void extreme(Fold f, const Tensor& values, const Tensor& indices, const Tensor& x, std::size_t dim) {
  if (indices.numel() == 0) {
    return;
  }
  DimVector reduced(x.sizes().size(), 0);
  if (!reduced.empty()) {
    reduced[dim] = 1;
  }
  Walk walk(x, reduced);
  switch (x.scalar_type()) {
    case kBool:
      return seek<std::uint8_t>(f, values, indices, x, walk, kBool);
    case kUInt8:
      return seek<std::uint8_t>(f, values, indices, x, walk, kUInt8);
    case kInt32:
      return seek<std::int32_t>(f, values, indices, x, walk, kInt32);
    case kInt64:
      return seek<std::int64_t>(f, values, indices, x, walk, kInt64);
    case kFloat64:
      return seek<double>(f, values, indices, x, walk, kFloat64);
    default:
      return seek<float>(f, values, indices, x, walk, kFloat32);
  }
}

}  // namespace backflow::kernels
