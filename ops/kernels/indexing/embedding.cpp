#include <backflow/ops/kernels/indexing/embedding.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/indexing/embedding_loops.h>
#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/runs.h>
#include <backflow/ops/kernels/layout/uneven.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time; the loops are
// plain ones that the compiler turns into vectors.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/indexing/embedding.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

/// Adds rows to a sum that stays in the cache, four at a time: the sum is loaded and stored once for four. The order of
/// additions is that of the rows.
template <class S, class A>
HWY_INLINE void add_rows(const S* HWY_RESTRICT x, std::int64_t ld, const std::int64_t* places, std::int64_t count,
                         A* HWY_RESTRICT sum, std::int64_t columns) {
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const S* HWY_RESTRICT a = x + places[i] * ld;
    const S* HWY_RESTRICT b = x + places[i + 1] * ld;
    const S* HWY_RESTRICT c = x + places[i + 2] * ld;
    const S* HWY_RESTRICT e = x + places[i + 3] * ld;
    for (std::int64_t j = 0; j < columns; ++j) {
      sum[j] = (((sum[j] + static_cast<A>(a[j])) + static_cast<A>(b[j])) + static_cast<A>(c[j])) + static_cast<A>(e[j]);
    }
  }
  for (; i < count; ++i) {
    const S* HWY_RESTRICT a = x + places[i] * ld;
    for (std::int64_t j = 0; j < columns; ++j) {
      sum[j] += static_cast<A>(a[j]);
    }
  }
}

template <class S>
void sum_of_rows(const S* x, std::int64_t ld, const std::int64_t* places, std::int64_t count, S* sum,
                 std::int64_t columns, double factor) {
  const S* first = x + places[0] * ld;
  if constexpr (!std::is_same_v<S, BFloat16>) {
    std::copy_n(first, columns, sum);
    add_rows(x, ld, places + 1, count - 1, sum, columns);
    for (std::int64_t j = 0; factor != 1 && j < columns; ++j) {
      sum[j] *= static_cast<S>(factor);
    }
  } else {
    constexpr std::int64_t kPiece = 512;  // columns whose float32 sums, 2 KiB, stay in the L1 cache
    alignas(64) float piece[kPiece];
    for (std::int64_t begin = 0; begin < columns; begin += kPiece) {
      const std::int64_t n = std::min(kPiece, columns - begin);
      std::fill_n(piece, n, 0.0F);
      add_rows(x + begin, ld, places, count, piece, n);
      for (std::int64_t j = 0; j < n; ++j) {
        sum[begin + j] = static_cast<S>(piece[j] * static_cast<float>(factor));
      }
    }
  }
}

SumOfRows<float> float_sum() { return sum_of_rows<float>; }
SumOfRows<double> double_sum() { return sum_of_rows<double>; }
SumOfRows<BFloat16> bfloat16_sum() { return sum_of_rows<BFloat16>; }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_sum);
HWY_EXPORT(double_sum);
HWY_EXPORT(bfloat16_sum);

namespace {

SumOfRows<float> sum_loop(float) { return HWY_DYNAMIC_DISPATCH(float_sum)(); }
SumOfRows<double> sum_loop(double) { return HWY_DYNAMIC_DISPATCH(double_sum)(); }
SumOfRows<BFloat16> sum_loop(BFloat16) { return HWY_DYNAMIC_DISPATCH(bfloat16_sum)(); }

/// The places of each index but `except`: those of r are order[first[r], first[r + 1]), from the first to the last.
struct Places {
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> order;

  Places(const std::int64_t* indices, std::int64_t n, std::int64_t rows, std::int64_t except)
      : first(static_cast<std::size_t>(rows) + 1), order(static_cast<std::size_t>(n)) {
    for (std::int64_t i = 0; i < n; ++i) {
      first[static_cast<std::size_t>(indices[i])] += indices[i] != except;
    }
    std::inclusive_scan(first.begin(), first.end(), first.begin());
    for (std::int64_t i = n; i-- > 0;) {
      if (indices[i] != except) {
        order[static_cast<std::size_t>(--first[static_cast<std::size_t>(indices[i])])] = i;
      }
    }
  }
  /// The places of the indices below `row`.
  std::int64_t before(std::int64_t row) const { return first[static_cast<std::size_t>(row)]; }
  std::int64_t count(std::int64_t row) const { return before(row + 1) - before(row); }
  /// The most places that an index has.
  std::int64_t most() const {
    std::int64_t result = 0;
    for (std::int64_t row = 0; row + 1 < static_cast<std::int64_t>(first.size()); ++row) {
      result = std::max(result, count(row));
    }
    return result;
  }
};

constexpr double kElement = 0.1;     // ns of an element that is moved or added
constexpr std::int64_t kSlice = 16;  // columns that threads do not share

constexpr std::int64_t kAhead = 2;  // rows, which lie anywhere, that are asked for before they are needed

template <class U>
void prefetch(const U* row, std::int64_t columns) {
  constexpr std::int64_t kLine = 64 / sizeof(U);
  constexpr std::int64_t kMost = 16 * kLine;
  for (std::int64_t j = 0; j < std::min(kMost, columns); j += kLine) {
    __builtin_prefetch(row + j);
  }
}

/// Calls f(S{}) with the type of the elements.
template <class F>
void dispatch_storage(ScalarType dtype, const F& f) {
  dtype == kFloat32 ? f(float{}) : dtype == kFloat64 ? f(double{}) : f(BFloat16{});
}

}  // namespace

void take_rows(const Tensor& y, const Tensor& weight, const std::int64_t* indices) {
  const std::int64_t columns = weight.sizes()[1];
  const std::int64_t rows = columns > 0 ? y.numel() / columns : 0;
  detail::dispatch_width(y.scalar_type(), [&](auto zero) {
    using U = decltype(zero);
    const U* from = detail::bits_of<U>(weight);
    U* to = detail::bits_of<U>(y);
    // Rows are copies: the cut is free.
    constexpr double kOfRow = 10;  // nanoseconds, of its first bytes
    const double of_columns = 2 * kNanosecondsPerByte * static_cast<double>(columns) * sizeof(U);
    parallel_ranges(rows, static_cast<double>(rows) * (kOfRow + of_columns), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        if (i + kAhead < end) {
          prefetch(from + indices[i + kAhead] * columns, columns);
        }
        std::copy_n(from + indices[i] * columns, columns, to + i * columns);
      }
    });
  });
}

void sum_bags(const Tensor& y, const Tensor& weight, const std::int64_t* indices, const std::int64_t* bounds,
              bool average) {
  const std::int64_t bags = y.sizes()[0];
  const std::int64_t columns = y.sizes()[1];
  if (y.numel() == 0) {
    return;
  }
  // A number of y is added up by one thread: the cut is free. Bags differ in size; of few bags columns are cut, too.
  const std::int64_t all = bounds[bags] + bags;
  const double nanoseconds = kElement * static_cast<double>(all * columns);
  const std::int64_t pieces = free_pieces(bags * columns, nanoseconds);
  const std::int64_t parts = std::min(chunks_of(pieces, bags), chunks_of(columns, kSlice));
  dispatch_storage(y.scalar_type(), [&](auto zero) {
    using S = decltype(zero);
    const auto loop = sum_loop(zero);
    const S* const from = weight.const_data_ptr<S>();
    S* const to = y.mutable_data_ptr<S>();
    const auto work = [&](std::int64_t i) { return i / bags * all + bounds[i % bags] + i % bags; };
    detail::parallel_uneven(bags * parts, nanoseconds, work, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t b = parts == 1 ? i : i % bags;
        const std::int64_t j = parts == 1 ? 0 : begin_of_piece(i / bags, parts, columns, kSlice);
        const std::int64_t width = parts == 1 ? columns : begin_of_piece(i / bags + 1, parts, columns, kSlice) - j;
        const std::int64_t count = bounds[b + 1] - bounds[b];
        if (count == 0) {
          std::fill_n(to + b * columns + j, width, S{});
        } else {
          loop(from + j, columns, indices + bounds[b], count, to + b * columns + j, width,
               average ? 1 / static_cast<double>(count) : 1);
        }
      }
    });
  });
}

void sum_rows(const Tensor& dw, const Tensor& dy, const std::int64_t* indices, std::int64_t padding, bool average) {
  const std::int64_t rows = dw.sizes()[0];
  const std::int64_t columns = dw.sizes()[1];
  if (dw.numel() == 0) {
    return;
  }
  const Places places(indices, dy.numel() / columns, rows, padding);
  const std::int64_t all = places.before(rows) + rows;
  // A number of dw is added up by one thread: the cut is free. A row that many indices name may be too much work for
  // one piece: then columns are cut, too.
  const double nanoseconds = kElement * static_cast<double>(all * columns);
  const std::int64_t pieces = free_pieces(rows * columns, nanoseconds);
  const std::int64_t most = pieces == 1 ? 0 : places.most();
  const std::int64_t parts = std::clamp<std::int64_t>(most * pieces / all, 1, chunks_of(columns, kSlice));
  dispatch_storage(dw.scalar_type(), [&](auto zero) {
    using S = decltype(zero);
    const auto loop = sum_loop(zero);
    const S* const from = dy.const_data_ptr<S>();
    S* const to = dw.mutable_data_ptr<S>();
    const auto of_row = [&](std::int64_t row, std::int64_t j, std::int64_t width) {
      S* const sum = to + row * columns + j;
      if (const std::int64_t count = places.count(row); count == 0) {
        std::fill_n(sum, width, S{});
      } else {
        loop(from + j, columns, places.order.data() + places.before(row), count, sum, width,
             average ? 1 / static_cast<double>(count) : 1);
      }
    };
    // Thing number i is row i mod rows of part i / rows of the columns.
    const auto work = [&](std::int64_t i) { return i / rows * all + places.before(i % rows) + i % rows; };
    detail::parallel_uneven(rows * parts, nanoseconds, work, [&](std::int64_t begin, std::int64_t end) {
      while (begin < end) {
        const std::int64_t part = begin / rows;
        const std::int64_t stop = std::min(end, (part + 1) * rows);
        const std::int64_t j = begin_of_piece(part, parts, columns, kSlice);
        const std::int64_t width = begin_of_piece(part + 1, parts, columns, kSlice) - j;
        for (; begin < stop; ++begin) {
          of_row(begin - part * rows, j, width);
        }
      }
    });
  });
}

}  // namespace backflow::kernels
#endif
