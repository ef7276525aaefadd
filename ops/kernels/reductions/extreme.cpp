// Maxima and minima with their indices.
#include <algorithm>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/reductions/extreme_loops.h>
#include <backflow/ops/kernels/reductions/reduce.h>
#include <backflow/ops/kernels/reductions/reduce_loops.h>
#include <backflow/ops/kernels/reductions/reduce_source.h>
#include <backflow/ops/kernels/reductions/reduce_walk.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::kernels {
namespace {

using namespace detail;

constexpr std::int64_t kRowPiece = 64 * 1024;  // elements of one piece of a long row
constexpr std::int64_t kColumns = kFetch;      // columns of one piece

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

  void run(A* values, std::int64_t* indices) const {
    if (pass_.inner > 1) {
      columns(values, indices);
      return;
    }
    const std::int64_t pieces = chunks_of(pass_.n, kRowPiece);
    std::vector<Extreme<A>> found(static_cast<std::size_t>(pass_.outer * pieces));
    const std::int64_t count = std::max<std::int64_t>(1, kElementwiseChunk / std::min(pass_.n, kRowPiece));
    const std::int64_t total = pass_.outer * pieces;
    parallel_for(chunks_of(total, count), [&](std::int64_t chunk) {
      for (std::int64_t i = chunk * count; i < std::min(total, (chunk + 1) * count); ++i) {
        const std::int64_t begin = i % pieces * kRowPiece;
        found[static_cast<std::size_t>(i)] = of_row(i / pieces, begin, std::min(pass_.n, begin + kRowPiece));
      }
    });
    for (std::int64_t o = 0; o < pass_.outer; ++o) {
      Extreme<A> best = found[static_cast<std::size_t>(o * pieces)];
      for (std::int64_t p = 1; p < pieces; ++p) {
        const Extreme<A>& next = found[static_cast<std::size_t>(o * pieces + p)];
        best = beyond(next.value, best.value) ? next : best;
      }
      values[o] = best.value;
      indices[o] = best.index;
    }
  }

 private:
  /// Whether `next` takes the place of `best`, which came before.
  bool beyond(A next, A best) const {
    // NOLINTNEXTLINE(misc-redundant-expression): a number differs from itself when it is NaN
    return (f_ == Fold::Max ? next > best : next < best) || (next != next && best == best);
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
    const auto update = f_ == Fold::Max ? loops_.row_max : loops_.row_min;
    const std::int64_t width = std::min(kColumns, pass_.inner);
    const std::int64_t across = chunks_of(pass_.inner, width);
    parallel_for(pass_.outer * across, [&](std::int64_t i) {
      alignas(64) A block[kFetch];
      const std::int64_t j = i % across * width;
      const std::int64_t n = std::min(width, pass_.inner - j);
      const std::int64_t offset = pass_.offset(i / across) + j * pass_.inner_stride;
      A* const v = values + i / across * pass_.inner + j;
      std::int64_t* const at = indices + i / across * pass_.inner + j;
      std::fill_n(at, n, 0);
      for (std::int64_t r = 0; r < pass_.n; ++r) {
        const A* from = x_.read(offset + r * pass_.stride, pass_.inner_stride, n, block);
        r == 0 ? void(std::copy_n(from, n, v)) : update(from, r, v, at, static_cast<std::size_t>(n));
      }
    });
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
