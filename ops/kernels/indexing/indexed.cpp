// Elements chosen by indices along a dimension: read, replaced, added to.
#include <backflow/ops/kernels/indexing/indexed.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/runs.h>

namespace backflow::kernels {
namespace {

using detail::bits_of;
using detail::for_each_run;

/// Elements along the lines' neighbours that are handled together: enough for whole cache lines, few enough that the
/// part of the tensor that they choose from stays in the cache.
constexpr std::int64_t kNeighbours = 32;

/// In which an element is moved that an index chooses, about: one at a time.
constexpr double kNanosecondsOfElement = 1;

/// The address, in strides, that an index means.
inline std::int64_t checked(const Lines& x, std::int64_t index) {
  if (static_cast<std::uint64_t>(index) >= static_cast<std::uint64_t>(x.size)) [[unlikely]] {
    fail_index(x, index);
  }
  return index * x.stride;
}

Tensor without_dim(const Tensor& x, std::size_t dim) {
  DimVector sizes(x.sizes());
  DimVector strides(x.strides());
  sizes.erase(dim);
  strides.erase(dim);
  return view_of(x, sizes, strides, x.storage_offset());
}

/// The first elements of `x`, as many as `sizes` has.
Tensor corner(const Tensor& x, IntArrayRef sizes) { return view_of(x, sizes, x.strides(), x.storage_offset()); }

/// Calls f(n, at) for runs of neighbouring lines, where at[k] is the offset of the first one's first element in
/// operand k, and lines never share elements.
struct LineLoop {
  StridedLoop<3> loop;
  std::int64_t lines;
  std::int64_t length;
  std::array<std::int64_t, 3> step;  ///< along a line: of the chosen elements none
  bool neighbours;                   ///< whether neighbouring lines are closer in memory than a line's elements

  LineLoop(const Lines& chosen, const Tensor& index, const Tensor& other)
      : LineLoop(chosen, index, without_dim(chosen.base, chosen.dim), without_dim(index, chosen.dim),
                 without_dim(other, chosen.dim), other.strides()[chosen.dim]) {}

  /// Whether all lines have the same indices.
  bool of_slices() const {
    return std::all_of(loop.strides[1].begin(), loop.strides[1].end(), [](std::int64_t s) { return s == 0; });
  }
  /// Calls f(begin, end) for ranges of lines, on the pool. A line is one thread's, so the cut is free. Ranges are short
  /// enough for the part of the tensor that they choose from to stay in the cache.
  template <class F>
  void for_each_range_of_lines(const F& f) const {
    const double nanoseconds = kNanosecondsOfElement * static_cast<double>(lines * length);
    const auto in_pieces = [&](std::int64_t begin, std::int64_t end) {
      for (const std::int64_t most = most_lines(); begin < end; begin += most) {
        f(begin, std::min(begin + most, end));
      }
    };
    parallel_ranges(lines, nanoseconds, in_pieces, neighbours ? kNeighbours : 1);
  }

 private:
  std::int64_t most_lines() const {
    const std::int64_t fitting = kElementwiseChunk / std::max<std::int64_t>(length, 1);
    return std::max<std::int64_t>(fitting, neighbours ? kNeighbours : 1);
  }

  LineLoop(const Lines& chosen, const Tensor& index, const Tensor& chosen_lines, const Tensor& index_lines,
           const Tensor& other_lines, std::int64_t other_step)
      : loop(index_lines.sizes(), {&chosen_lines, &index_lines, &other_lines}),
        lines(index_lines.numel()),
        length(index.sizes()[chosen.dim]),
        step{0, index.strides()[chosen.dim], other_step},
        neighbours(loop.inner_size() > 1 && loop.inner_stride(0) <= chosen.stride) {}
};

/// y[k * sy] = x[index[k * si] * stride + k * sx]
template <class U>
void gather_run(U* y, std::int64_t sy, const Lines& lines, const U* x, std::int64_t sx, const std::int64_t* index,
                std::int64_t si, std::int64_t n) {
  if (si == 0) {
    const U* from = x + checked(lines, *index);
    if (sy == 1 && sx == 1) {
      std::copy_n(from, n, y);
    } else {
      for (std::int64_t k = 0; k < n; ++k) {
        y[k * sy] = from[k * sx];
      }
    }
    return;
  }
  if (sy == 1 && si == 1 && sx == 0) {
    for (std::int64_t k = 0; k < n; ++k) {
      y[k] = x[checked(lines, index[k])];
    }
  } else if (sy == 1 && si == 1 && sx == 1) {
    for (std::int64_t k = 0; k < n; ++k) {
      y[k] = x[checked(lines, index[k]) + k];
    }
  } else {
    for (std::int64_t k = 0; k < n; ++k) {
      y[k * sy] = x[checked(lines, index[k * si]) + k * sx];
    }
  }
}

/// For an index that differs from line to line where neighbouring lines are close: a few lines at a time.
template <class U>
void gather_neighbours(U* y, const Lines& x, const std::int64_t* index, const LineLoop& l) {
  const U* from = bits_of<U>(x.base);
  const auto few = [&](std::int64_t n, const auto& at) {
    for (std::int64_t j = 0; j < l.length; ++j) {
      gather_run(y + at[2] + j * l.step[2], l.loop.inner_stride(2), x, from + at[0], l.loop.inner_stride(0),
                 index + at[1] + j * l.step[1], l.loop.inner_stride(1), n);
    }
  };
  l.for_each_range_of_lines([&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; begin += kNeighbours) {
      for_each_run(l.loop, begin, std::min(begin + kNeighbours, end), few);
    }
  });
}

template <class T, Combine kCombine>
void put(T& y, T x) {
  if constexpr (kCombine == Combine::Replace) {
    y = x;
  } else {
    y = static_cast<T>(y + x);
  }
}

template <class T, Combine kCombine>
struct Scatter {
  const Lines& lines;
  T* y;
  const std::int64_t* index;
  const T* x;
  const LineLoop& l;

  /// Element j of n neighbouring lines.
  void across(const std::array<std::int64_t, 3>& at, std::int64_t j, std::int64_t n) const {
    const std::int64_t* i = index + at[1] + j * l.step[1];
    const T* from = x + at[2] + j * l.step[2];
    const std::int64_t si = l.loop.inner_stride(1);
    const std::int64_t sx = l.loop.inner_stride(2);
    const std::int64_t sy = l.loop.inner_stride(0);
    if (si == 0 && sx == 1 && sy == 1) {
      T* to = y + at[0] + checked(lines, *i);
      for (std::int64_t k = 0; k < n; ++k) {
        put<T, kCombine>(to[k], from[k]);
      }
      return;
    }
    T* to = y + at[0];
    if (si == 1 && sx == 1 && sy == 1) {
      for (std::int64_t k = 0; k < n; ++k) {
        put<T, kCombine>(to[k + checked(lines, i[k])], from[k]);
      }
      return;
    }
    for (std::int64_t k = 0; k < n; ++k) {
      put<T, kCombine>(to[k * sy + checked(lines, i[k * si])], from[k * sx]);
    }
  }

  /// All of one line, the k-th of a run.
  void along(const std::array<std::int64_t, 3>& at, std::int64_t k) const {
    T* to = y + at[0] + k * l.loop.inner_stride(0);
    const std::int64_t* i = index + at[1] + k * l.loop.inner_stride(1);
    const T* from = x + at[2] + k * l.loop.inner_stride(2);
    if (l.step[1] == 1 && l.step[2] == 1) {
      for (std::int64_t j = 0; j < l.length; ++j) {
        put<T, kCombine>(to[checked(lines, i[j])], from[j]);
      }
      return;
    }
    for (std::int64_t j = 0; j < l.length; ++j) {
      put<T, kCombine>(to[checked(lines, i[j * l.step[1]])], from[j * l.step[2]]);
    }
  }

  /// For an index of whole slices: each part takes those that go to its range of the dimension, in order. So no two
  /// threads write one slice, and each slice is added to in the order of the index.
  void run_slices(std::int64_t parts) const {
    const std::int64_t range = lines.size / parts + 1;
    const auto part_of = [&](std::int64_t j) {
      const std::int64_t i = index[j * l.step[1]];
      checked(lines, i);
      return static_cast<std::size_t>(i / range);
    };
    std::vector<std::int64_t> first(static_cast<std::size_t>(parts) + 1);
    for (std::int64_t j = 0; j < l.length; ++j) {
      ++first[part_of(j) + 1];
    }
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<std::int64_t> order(static_cast<std::size_t>(l.length));
    std::vector<std::int64_t> next(first);
    for (std::int64_t j = 0; j < l.length; ++j) {
      order[static_cast<std::size_t>(next[part_of(j)]++)] = j;
    }
    parallel_for(parts, [&](std::int64_t part) {
      const auto p = static_cast<std::size_t>(part);
      for (std::int64_t k = first[p]; k < first[p + 1]; ++k) {
        if (k + kAhead < first[p + 1]) {
          prefetch_slice(order[static_cast<std::size_t>(k + kAhead)]);
        }
        slice(order[static_cast<std::size_t>(k)]);
      }
    });
  }
  /// A slice is one part's, whatever the parts: the cut is free. More than the threads want have less each to keep in
  /// the cache.
  std::int64_t slice_parts() const {
    constexpr std::int64_t kMostForCache = 32;
    const std::int64_t elements = l.lines * l.length;
    const double nanoseconds = 3 * sizeof(T) * kNanosecondsPerByte * static_cast<double>(elements);
    return std::max(std::min(kMostForCache, chunks_of(elements, kElementwiseChunk)),
                    free_pieces(std::min(lines.size, l.length), nanoseconds));
  }
  static constexpr std::int64_t kAhead = 4;  // slices, which lie anywhere, that are asked for before they are needed

  void slice(std::int64_t j) const {
    if (l.loop.sizes.size() == 1) {
      across({}, j, l.lines);
    } else {
      for_each_run(l.loop, 0, l.lines, [&](std::int64_t n, const auto& at) { across(at, j, n); });
    }
  }
  void prefetch_slice(std::int64_t j) const {
    constexpr std::int64_t kLine = 64 / sizeof(T);
    constexpr std::int64_t kMost = 16 * kLine;
    if (l.loop.inner_stride(0) != 1 || l.loop.inner_stride(2) != 1) {
      return;
    }
    const T* to = y + index[j * l.step[1]] * lines.stride;
    const T* from = x + j * l.step[2];
    for (std::int64_t k = 0; k < std::min(kMost, l.loop.inner_size()); k += kLine) {
      __builtin_prefetch(to + k, 1);
      __builtin_prefetch(from + k);
    }
  }

  void run() const {
    if (l.neighbours && l.of_slices()) {
      run_slices(slice_parts());
      return;
    }
    l.for_each_range_of_lines([&](std::int64_t begin, std::int64_t end) {
      for_each_run(l.loop, begin, end, [&](std::int64_t n, const auto& at) {
        for (std::int64_t i = 0; i < (l.neighbours ? l.length : n); ++i) {
          l.neighbours ? across(at, i, n) : along(at, i);
        }
      });
    });
  }
};

}  // namespace

void fail_index(const Lines& x, std::int64_t index) {
  fail(x.where, ": index ", index, " in dimension ", x.dim, " of size ", x.size, ": need one in [0, ", x.size - 1, "]");
}

Lines lines_of(const char* where, const Tensor& x, std::size_t dim, IntArrayRef index_sizes) {
  DimVector strides(x.strides());
  strides[dim] = 0;
  return {where, view_of(x, index_sizes, strides, x.storage_offset()), dim, x.strides()[dim], x.sizes()[dim]};
}

void gather(const Tensor& y, const Lines& x, const Tensor& index) {
  if (index.numel() == 0) {
    return;
  }
  const std::int64_t* indices = index.const_data_ptr<std::int64_t>();
  detail::dispatch_width(y.scalar_type(), [&](auto zero) {
    using U = decltype(zero);
    const LineLoop l(x, index, y);
    if (l.neighbours && l.loop.inner_stride(1) != 0 && l.lines >= kNeighbours) {
      gather_neighbours(bits_of<U>(y), x, indices, l);
      return;
    }
    const StridedLoop<3> loop(y.sizes(), {&y, &index, &x.base});
    U* to = bits_of<U>(y);
    const U* from = bits_of<U>(x.base);
    for_each_range_of(y.numel(), kNanosecondsOfElement, [&](std::int64_t begin, std::int64_t end) {
      for_each_run(loop, begin, end, [&](std::int64_t n, const auto& at) {
        gather_run(to + at[0], loop.inner_stride(0), x, from + at[2], loop.inner_stride(2), indices + at[1],
                   loop.inner_stride(1), n);
      });
    });
  });
}

void scatter(const Lines& y, const Tensor& index, const Tensor& x, Combine combine) {
  if (index.numel() == 0) {
    return;
  }
  const std::int64_t* indices = index.const_data_ptr<std::int64_t>();
  const LineLoop l(y, index, corner(x, index.sizes()));
  if (combine == Combine::Replace) {
    detail::dispatch_width(x.scalar_type(), [&](auto zero) {
      using U = decltype(zero);
      Scatter<U, Combine::Replace>{y, bits_of<U>(y.base), indices, bits_of<U>(x), l}.run();
    });
    return;
  }
  dispatch(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    Scatter<T, Combine::Add>{y, y.base.mutable_data_ptr<T>(), indices, x.const_data_ptr<T>(), l}.run();
  });
}

}  // namespace backflow::kernels
