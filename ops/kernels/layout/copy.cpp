// Copies between layouts and dtypes.
#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/copies.h>
#include <backflow/ops/kernels/layout/copy_loops.h>
#include <backflow/ops/kernels/layout/dense.h>
#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/runs.h>
#include <backflow/ops/kernels/layout/stream.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow::kernels {
namespace {

using detail::bits_of;
using detail::for_each_run;

/// In which an element is copied or converted, about, of so many bytes as it is read and written.
double nanoseconds_of(const StridedLoop<2>& loop, std::size_t bytes) {
  constexpr double kStrided = 0.8;  // one at a time, its line shared with few others
  const bool is_close = loop.inner_stride(0) == 1 && (loop.inner_stride(1) == 1 || loop.inner_stride(1) == 0);
  return kNanosecondsPerByte * static_cast<double>(bytes) + (is_close ? 0 : kStrided);
}

/// The loop with the largest strides of y first, so that runs are as long in memory as they can be.
StridedLoop<2> copy_loop(const Tensor& y, const Tensor& x) {
  StridedLoop<2> loop(y.sizes(), {&y, &x});
  for (std::size_t d = 1; d < loop.sizes.size(); ++d) {
    for (std::size_t e = d; e > 0 && loop.strides[0][e - 1] < loop.strides[0][e]; --e) {
      std::swap(loop.sizes[e - 1], loop.sizes[e]);
      std::swap(loop.strides[0][e - 1], loop.strides[0][e]);
      std::swap(loop.strides[1][e - 1], loop.strides[1][e]);
    }
  }
  return loop;
}

/// y[i * so] = x[i * si]
template <class U>
void copy_run(U* y, std::int64_t so, const U* x, std::int64_t si, std::int64_t n) {
  if (so == 1 && si == 1) {
    std::copy_n(x, n, y);
  } else if (so == 1 && si == 0) {
    std::fill_n(y, n, *x);
  } else if (so == 1 && si == -1) {
    for (std::int64_t j = 0; j < n; ++j) {
      y[j] = x[-j];
    }
  } else {
    for (std::int64_t j = 0; j < n; ++j) {
      y[j * so] = x[j * si];
    }
  }
}

/// A dimension of the loop, not the innermost, along which x lies closely while y does so along the innermost.
std::optional<std::size_t> transposed_dim(const StridedLoop<2>& loop) {
  constexpr std::int64_t kWorthIt = 64;  // elements of the matrix
  const std::size_t last = loop.sizes.size() - 1;
  for (std::size_t d = 0; d < last; ++d) {
    if (loop.strides[0][last] == 1 && loop.strides[1][last] != 1 && loop.strides[1][last] != 0 &&
        loop.strides[1][d] == 1 && loop.sizes[d] * loop.sizes[last] >= kWorthIt) {
      return d;
    }
  }
  return std::nullopt;
}

/// As transpose(), through a block that is then written past the caches; at most kRows by kColumns.
template <std::int64_t kRows, std::int64_t kColumns, class U>
void transpose_streaming(const U* x, std::int64_t x_stride, U* y, std::int64_t y_stride, std::int64_t rows,
                         std::int64_t columns) {
  alignas(64) U block[kRows * kColumns];
  transpose(x, x_stride, block, kColumns, rows, columns);
  for (std::int64_t r = 0; r < rows; ++r) {
    stream_copy(block + r * kColumns, y + r * y_stride, static_cast<std::size_t>(columns) * sizeof(U));
  }
}

/// The blocks of matrices that are transposed one after the other: a block's lines of x and y stay in the cache until
/// all their elements were used.
struct TransposedBlocks {
  static constexpr std::int64_t kRows = 64;
  static constexpr std::int64_t kStreamedColumns = 128;
  static constexpr std::int64_t kMostColumns = 1024;

  std::int64_t rows;
  std::int64_t columns;
  std::int64_t columns_of_block;
  std::int64_t matrices;

  /// Of `matrices` matrices of elements of so many bytes. Where there are fewer blocks than pieces for the threads,
  /// blocks are narrower, down to a cache line.
  TransposedBlocks(std::int64_t rows_, std::int64_t columns_, std::int64_t matrices_, bool streams, std::size_t size)
      : rows(rows_),
        columns(columns_),
        columns_of_block(streams ? kStreamedColumns : kMostColumns),
        matrices(matrices_) {
    const auto line = static_cast<std::int64_t>(64 / size);
    const std::int64_t wanted =
        chunks_of(free_pieces(matrices * down() * chunks_of(columns, line), nanoseconds(size)), matrices * down());
    columns_of_block = std::min(columns_of_block, chunks_of(chunks_of(columns, wanted), line) * line);
  }
  std::int64_t down() const { return chunks_of(rows, kRows); }
  std::int64_t across() const { return chunks_of(columns, columns_of_block); }
  std::int64_t count() const { return matrices * down() * across(); }
  double nanoseconds(std::size_t size) const {
    return 4 * kNanosecondsPerByte * static_cast<double>(static_cast<std::size_t>(matrices * rows * columns) * size);
  }
};

/// Copies the matrices of dimension `dim` and the innermost one block by block. Streamed results go through a block of
/// 64 x 128, which is then written row by row: 21 ms for 64 MiB, against 60 ms for pieces of 64 bytes of rows that lie
/// 16 KiB apart.
template <class U>
void copy_transposed(U* y, const U* x, StridedLoop<2> loop, std::size_t dim) {
  using Blocks = TransposedBlocks;
  const bool streams = static_cast<std::size_t>(numel_of(loop.sizes)) * sizeof(U) >= kStreamBytes;
  const std::int64_t rows = loop.sizes[dim];
  const std::int64_t columns = loop.inner_size();
  const std::int64_t y_stride = loop.strides[0][dim];
  const std::int64_t x_stride = loop.inner_stride(1);
  for (const std::size_t d : {loop.sizes.size() - 1, dim}) {  // what is left are the dimensions outside of the matrices
    loop.sizes[d] = 1;
    loop.strides[0][d] = 0;
    loop.strides[1][d] = 0;
  }
  const Blocks blocks(rows, columns, numel_of(loop.sizes), streams, sizeof(U));
  parallel_ranges(blocks.count(), blocks.nanoseconds(sizeof(U)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t matrix = i / (blocks.down() * blocks.across());
      const std::int64_t r = i / blocks.across() % blocks.down() * Blocks::kRows;
      const std::int64_t c = i % blocks.across() * blocks.columns_of_block;
      const U* from = x + loop.offset(1, matrix) + c * x_stride + r;
      U* to = y + loop.offset(0, matrix) + r * y_stride + c;
      const std::int64_t m = std::min(Blocks::kRows, rows - r);
      const std::int64_t n = std::min(blocks.columns_of_block, columns - c);
      streams ? transpose_streaming<Blocks::kRows, Blocks::kStreamedColumns>(from, x_stride, to, y_stride, m, n)
              : transpose(from, x_stride, to, y_stride, m, n);
    }
    if (streams) {
      finish_streams();
    }
  });
}

void copy_elements(const Tensor& y, const Tensor& x) {
  detail::dispatch_width(y.scalar_type(), [&](auto zero) {
    using U = decltype(zero);
    U* to = bits_of<U>(y);
    const U* from = bits_of<U>(x);
    if (y.is_contiguous() && x.is_contiguous() && y.numel() == x.numel()) {
      for_each_range_of(y.numel(), 2 * sizeof(U) * kNanosecondsPerByte, [&](std::int64_t begin, std::int64_t end) {
        // One large memmove was 1.15 times as slow (64 MiB, glibc 2.36).
        for (; begin < end; begin += kElementwiseChunk) {
          std::copy_n(from + begin, std::min(kElementwiseChunk, end - begin), to + begin);
        }
      });
      return;
    }
    const StridedLoop<2> loop = copy_loop(y, x);
    if (const auto dim = transposed_dim(loop)) {
      copy_transposed(to, from, loop, *dim);
      return;
    }
    for_each_range_of(y.numel(), nanoseconds_of(loop, 2 * sizeof(U)), [&](std::int64_t begin, std::int64_t end) {
      for_each_run(loop, begin, end, [&](std::int64_t n, const auto& at) {
        copy_run(to + at[0], loop.inner_stride(0), from + at[1], loop.inner_stride(1), n);
      });
    });
  });
}

void convert(const Tensor& y, const Tensor& x) {
  const StridedLoop<2> loop = copy_loop(y, x);
  const ConvertLoop whole_run = convert_loop(y.scalar_type(), x.scalar_type());
  dispatch(y.scalar_type(), [&](auto to_zero) {
    dispatch(x.scalar_type(), [&](auto from_zero) {
      using To = decltype(to_zero);
      using From = decltype(from_zero);
      To* to = y.mutable_data_ptr<To>();
      const From* from = x.const_data_ptr<From>();
      const std::int64_t so = loop.inner_stride(0);
      const std::int64_t si = loop.inner_stride(1);
      const double each = nanoseconds_of(loop, sizeof(To) + sizeof(From));
      for_each_range_of(y.numel(), each, [&](std::int64_t begin, std::int64_t end) {
        for_each_run(loop, begin, end, [&](std::int64_t n, const auto& at) {
          if (so == 1 && si == 1) {
            whole_run(from + at[1], to + at[0], static_cast<std::size_t>(n));
          } else {
            for (std::int64_t j = 0; j < n; ++j) {
              to[at[0] + j * so] = static_cast<To>(from[at[1] + j * si]);
            }
          }
        });
      });
    });
  });
}

}  // namespace

void copy(const Tensor& y, const Tensor& x) {
  if (y.numel() == 0) {
    return;
  }
  if (y.scalar_type() == x.scalar_type()) {
    copy_elements(y, x);
  } else {
    convert(y, x);
  }
}

namespace {

/// A copy of elements of one width, as of copy_elements(), among others.
struct PartOfCopies {
  std::byte* to;
  const std::byte* from;
  std::size_t width;
  StridedLoop<2> loop;
  std::int64_t steps_before;  // of kRangeStep elements, in the copies before

  std::int64_t numel() const { return numel_of(loop.sizes); }
  void run(std::int64_t begin, std::int64_t end) const {
    const auto copy_as = [&](auto zero) {
      using U = decltype(zero);
      for_each_run(loop, begin, end, [&](std::int64_t n, const auto& at) {
        for (std::int64_t i = 0; i < n; i += kElementwiseChunk) {
          copy_run(reinterpret_cast<U*>(to) + at[0] + i * loop.inner_stride(0), loop.inner_stride(0),
                   reinterpret_cast<const U*>(from) + at[1] + i * loop.inner_stride(1), loop.inner_stride(1),
                   std::min(kElementwiseChunk, n - i));
        }
      });
    };
    detail::dispatch_bytes(width, copy_as);
  }
};

}  // namespace

Copies::Copies(std::size_t bytes)
    : at_once_(free_pieces(static_cast<std::int64_t>(bytes), 2 * kNanosecondsPerByte * static_cast<double>(bytes)) ==
               1) {}

void Copies::add(const Tensor& y, const Tensor& x) {
  if (at_once_) {
    copy(y, x);
  } else {
    later_.push_back({y, x});
  }
}

void Copies::run() {
  if (later_.empty()) {
    return;
  }
  std::vector<PartOfCopies> parts;
  std::int64_t steps = 0;
  double nanoseconds = 0;
  for (const auto& [y, x] : later_) {
    StridedLoop<2> loop = copy_loop(y, x);
    if (y.numel() == 0 || y.scalar_type() != x.scalar_type() || transposed_dim(loop)) {
      copy(y, x);
      continue;
    }
    const std::size_t width = element_size(y.scalar_type());
    nanoseconds += nanoseconds_of(loop, 2 * width) * static_cast<double>(y.numel());
    parts.push_back({static_cast<std::byte*>(y.mutable_data_ptr()), static_cast<const std::byte*>(x.const_data_ptr()),
                     width, std::move(loop), steps});
    steps += chunks_of(y.numel(), kRangeStep);
  }
  parallel_ranges(steps, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
    auto part = std::prev(std::upper_bound(parts.begin(), parts.end(), begin,
                                           [](std::int64_t step, const auto& p) { return step < p.steps_before; }));
    for (; part != parts.end() && part->steps_before < end; ++part) {
      part->run(std::max<std::int64_t>(0, begin - part->steps_before) * kRangeStep,
                std::min(part->numel(), (end - part->steps_before) * kRangeStep));
    }
  });
}

void fill(const Tensor& y, const Scalar& value) {
  dispatch(y.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T number = value.to<T>("fill_");
    if (y.is_contiguous()) {
      T* to = y.mutable_data_ptr<T>();
      for_each_range_of(y.numel(), sizeof(T) * kNanosecondsPerByte,
                        [&](std::int64_t begin, std::int64_t end) { std::fill_n(to + begin, end - begin, number); });
      return;
    }
    Tensor one = empty_tensor({}, y.scalar_type());
    *one.mutable_data_ptr<T>() = number;
    copy(y, one);
  });
}

Tensor dense(const Tensor& x) {
  if (!x.defined() || x.is_contiguous()) {
    return x;
  }
  Tensor y = empty_tensor(x.sizes(), x.scalar_type());
  copy(y, x);
  return y;
}

}  // namespace backflow::kernels
