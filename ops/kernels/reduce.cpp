#include <backflow/ops/kernels/reduce.h>

#include <algorithm>
#include <bit>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/elementwise.h>
#include <backflow/ops/kernels/reduce_loops.h>
#include <backflow/ops/kernels/strided.h>
#include <backflow/runtime/threads.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kRowBlock = 64;         // rows that are added up one after the other; blocks are added pairwise
constexpr std::int64_t kColumnBlock = 1024;    // columns of one piece of a column sum
constexpr std::int64_t kSumBlock = 64 * 1024;  // elements of one piece of a long sum

template <class T>
T sum_of(const T* x, std::int64_t n) {
  if constexpr (std::is_floating_point_v<T>) {
    return reduce_loops<T>().sum(x, static_cast<std::size_t>(n));
  } else {
    std::uint64_t total = 0;  // integers wrap
    for (std::int64_t i = 0; i < n; ++i) {
      total += static_cast<std::uint64_t>(x[i]);
    }
    return static_cast<T>(total);
  }
}

template <class T>
void add_to(const T* x, T* y, std::int64_t n) {
  if constexpr (std::is_floating_point_v<T>) {
    reduce_loops<T>().add_row(x, y, static_cast<std::size_t>(n));
  } else {
    std::transform(x, x + n, y, y, [](T a, T b) {
      return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    });
  }
}

/// One long sum: pieces for the threads, their sums added pairwise by `sum_of`.
template <class T>
T long_sum(const T* x, std::int64_t n) {
  if (n <= kSumBlock) {
    return sum_of(x, n);
  }
  std::vector<T> partial(static_cast<std::size_t>(chunks_of(n, kSumBlock)));
  parallel_for(static_cast<std::int64_t>(partial.size()), [&](std::int64_t i) {
    partial[static_cast<std::size_t>(i)] = sum_of(x + i * kSumBlock, std::min(kSumBlock, n - i * kSumBlock));
  });
  return sum_of(partial.data(), static_cast<std::int64_t>(partial.size()));
}

/// y[j] = the sum over rows of x [rows, ld], for n columns: blocks of rows, added pairwise. `scratch` has n elements
/// for every level of the pairs.
template <class T>
void column_sum(const T* x, std::int64_t rows, std::int64_t ld, T* y, std::int64_t n, T* scratch) {
  if (rows <= kRowBlock) {
    std::copy_n(x, n, y);
    for (std::int64_t r = 1; r < rows; ++r) {
      add_to(x + r * ld, y, n);
    }
    return;
  }
  const std::int64_t half = (chunks_of(rows, kRowBlock) + 1) / 2 * kRowBlock;
  column_sum(x, half, ld, y, n, scratch);
  column_sum(x + half * ld, rows - half, ld, scratch, n, scratch + n);
  add_to(scratch, y, n);
}

/// x [outer, reduced, inner] -> y [outer, inner]
template <class T>
void sum_middle(const T* x, std::int64_t outer, std::int64_t reduced, std::int64_t inner, T* y) {
  if (inner == 1 && outer == 1) {
    *y = long_sum(x, reduced);
  } else if (inner == 1) {
    const std::int64_t rows = std::max<std::int64_t>(1, kElementwiseChunk / std::max<std::int64_t>(reduced, 1));
    parallel_for(chunks_of(outer, rows), [&](std::int64_t chunk) {
      for (std::int64_t i = chunk * rows; i < std::min(outer, (chunk + 1) * rows); ++i) {
        y[i] = sum_of(x + i * reduced, reduced);
      }
    });
  } else {
    const std::int64_t pieces = chunks_of(inner, kColumnBlock);
    parallel_for(outer * pieces, [&](std::int64_t i) {
      const std::int64_t o = i / pieces;
      const std::int64_t j = i % pieces * kColumnBlock;
      const std::int64_t n = std::min(kColumnBlock, inner - j);
      const int levels = std::bit_width(static_cast<std::uint64_t>(chunks_of(reduced, kRowBlock) - 1));
      std::vector<T> scratch(static_cast<std::size_t>(levels * n));
      column_sum(x + o * reduced * inner + j, reduced, inner, y + o * inner + j, n, scratch.data());
    });
  }
}

/// Runs of neighbouring dimensions that are all reduced or all kept, as sizes of alternating kind.
struct Runs {
  DimVector sizes;
  std::vector<bool> reduced;

  Runs(IntArrayRef shape, const DimVector& flags) {
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] == 1) {
        continue;
      }
      const bool flag = flags[d] != 0;
      if (!reduced.empty() && reduced.back() == flag) {
        sizes.back() *= shape[d];
      } else {
        sizes.push_back(shape[d]);
        reduced.push_back(flag);
      }
    }
  }
};

}  // namespace

void sum(const Tensor& y, const Tensor& x, const DimVector& reduced) {
  if (y.numel() == 0) {
    return;
  }
  if (x.numel() == 0) {
    fill(y, 0);
    return;
  }
  Tensor from = x;
  if (!x.is_contiguous()) {
    from = empty_tensor_like(x, x.scalar_type());
    copy(from, x);
  }
  Runs runs(x.sizes(), reduced);
  // From the last reduced run to the first: each pass leaves one run fewer.
  for (std::size_t r = runs.reduced.size(); r-- > 0;) {
    if (!runs.reduced[r]) {
      continue;
    }
    std::int64_t outer = 1;
    std::int64_t inner = 1;
    for (std::size_t d = 0; d < runs.sizes.size(); ++d) {
      outer *= d < r ? runs.sizes[d] : 1;
      inner *= d > r && !runs.reduced[d] ? runs.sizes[d] : 1;
    }
    const Tensor to = empty_tensor({outer, inner}, x.scalar_type());
    const auto add_up = [&](auto zero) {
      using T = decltype(zero);
      sum_middle(from.data_ptr<T>(), outer, runs.sizes[r], inner, to.data_ptr<T>());
    };
    x.scalar_type() == kInt64 ? add_up(std::int64_t{}) : dispatch_floating(x.scalar_type(), "sum", add_up);
    from = to;
  }
  copy(y, view_of(from, y.sizes(), contiguous_strides(y.sizes()), from.storage_offset()));
}

void log_softmax(const Tensor& y, const Tensor& x) {
  const std::int64_t n = x.dim() == 0 ? 1 : x.size(-1);
  const std::int64_t rows = n == 0 ? 0 : x.numel() / n;
  const std::int64_t rows_of_chunk = std::max<std::int64_t>(1, kElementwiseChunk / std::max<std::int64_t>(n, 1));
  dispatch_floating(x.scalar_type(), "log_softmax", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(chunks_of(rows, rows_of_chunk), [&](std::int64_t chunk) {
      for (std::int64_t i = chunk * rows_of_chunk; i < std::min(rows, (chunk + 1) * rows_of_chunk); ++i) {
        reduce_loops<T>().log_softmax(x.data_ptr<T>() + i * n, y.data_ptr<T>() + i * n, static_cast<std::size_t>(n));
      }
    });
  });
}

}  // namespace backflow::kernels
