#include <backflow/ops/kernels/indexing/embedding.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/indexing/embedding_loops.h>
#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/runs.h>

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

/// The places of each index: those of r are order[first[r], first[r + 1]), from the first to the last.
struct Places {
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> order;

  Places(const std::int64_t* indices, std::int64_t n, std::int64_t rows)
      : first(static_cast<std::size_t>(rows) + 1), order(static_cast<std::size_t>(n)) {
    for (std::int64_t i = 0; i < n; ++i) {
      ++first[static_cast<std::size_t>(indices[i])];
    }
    std::inclusive_scan(first.begin(), first.end(), first.begin());
    for (std::int64_t i = n; i-- > 0;) {
      order[static_cast<std::size_t>(--first[static_cast<std::size_t>(indices[i])])] = i;
    }
  }
  std::int64_t count(std::int64_t row) const {
    return first[static_cast<std::size_t>(row) + 1] - first[static_cast<std::size_t>(row)];
  }
};

/// A part of the result that one thread computes.
struct EmbeddingPiece {
  std::int64_t row;
  std::int64_t end_row;
  std::int64_t column;
  std::int64_t columns;
};

/// Pieces of about equal work: rows side by side, and of a row that many indices name some columns.
std::vector<EmbeddingPiece> pieces_of(const Places& places, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kColumns = 128;
  const std::int64_t most = std::max<std::int64_t>(1, kElementwiseChunk / columns);
  std::vector<EmbeddingPiece> pieces;
  for (std::int64_t row = 0; row < rows;) {
    if (places.count(row) > 4 * most) {
      for (std::int64_t j = 0; j < columns; j += kColumns) {
        pieces.push_back({row, row + 1, j, std::min(kColumns, columns - j)});
      }
      ++row;
      continue;
    }
    const std::int64_t begin = row;
    for (std::int64_t work = 0; row < rows && work < most && places.count(row) <= 4 * most; ++row) {
      work += 1 + places.count(row);
    }
    pieces.push_back({begin, row, 0, columns});
  }
  return pieces;
}

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
  const std::int64_t each = (bounds[bags] / bags + 1) * columns;
  dispatch_storage(y.scalar_type(), [&](auto zero) {
    using S = decltype(zero);
    const auto loop = sum_loop(zero);
    const S* const from = weight.const_data_ptr<S>();
    S* const to = y.mutable_data_ptr<S>();
    detail::for_each_chunk(bags, std::max<std::int64_t>(1, kElementwiseChunk / each),
                           [&](std::int64_t begin, std::int64_t end) {
                             for (std::int64_t b = begin; b < end; ++b) {
                               const std::int64_t count = bounds[b + 1] - bounds[b];
                               if (count == 0) {
                                 std::fill_n(to + b * columns, columns, S{});
                               } else {
                                 loop(from, columns, indices + bounds[b], count, to + b * columns, columns,
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
  const Places places(indices, dy.numel() / columns, rows);
  const std::vector<EmbeddingPiece> pieces = pieces_of(places, rows, columns);
  dispatch_storage(dw.scalar_type(), [&](auto zero) {
    using S = decltype(zero);
    const auto loop = sum_loop(zero);
    const S* const from = dy.const_data_ptr<S>();
    S* const to = dw.mutable_data_ptr<S>();
    detail::for_each_chunk(static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t begin, std::int64_t) {
      const EmbeddingPiece& p = pieces[static_cast<std::size_t>(begin)];
      for (std::int64_t r = p.row; r < p.end_row; ++r) {
        S* sum = to + r * columns + p.column;
        const std::int64_t count = places.count(r);
        if (count == 0 || r == padding) {
          std::fill_n(sum, p.columns, S{});
        } else {
          const std::int64_t* order = places.order.data() + places.first[static_cast<std::size_t>(r)];
          loop(from + p.column, columns, order, count, sum, p.columns, average ? 1 / static_cast<double>(count) : 1);
        }
      }
    });
  });
}

}  // namespace backflow::kernels
#endif
