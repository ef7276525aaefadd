#pragma once

// Walks operands of any strides and dtypes in pieces that a loop over contiguous memory can take.

#include <algorithm>
#include <array>
#include <tuple>
#include <type_traits>
#include <utility>

#include <backflow/ops/kernels/elementwise/loops.h>
#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/stream.h>
#include <backflow/ops/kernels/layout/strided.h>

namespace backflow::kernels::detail {

inline constexpr std::int64_t kBlock = kRangeStep;  // elements that are gathered or converted at a time
inline constexpr std::int64_t kSmall = 4096;  // elements below which a contiguous operation is one call of one loop

/// Whether all elements of `x` broadcast to more are one and the same.
inline bool is_one_element(const Tensor& x) {
  for (std::size_t d = 0; d < x.sizes().size(); ++d) {
    if (x.sizes()[d] != 1 && x.strides()[d] != 0) {
      return false;
    }
  }
  return true;
}

/// An operand of a small row-major `y` that one call of one loop can read as it is: contiguous, or one element; else
/// null.
template <class T>
Operand<T> flat_operand(const Tensor& x, const Tensor& y) {
  if (x.is_contiguous() && x.numel() == y.numel()) {
    return {x.const_data_ptr<T>(), Stride::One};
  }
  return {is_one_element(x) ? x.const_data_ptr<T>() : nullptr, Stride::Zero};
}

inline constexpr double kSimpleNanoseconds = 0.02;   // to compute an element of most functions
inline constexpr double kNanosecondsToGather = 0.3;  // an element of an operand

inline bool is_small_and_flat(const Tensor& y) { return y.numel() <= kSmall && y.is_contiguous(); }

/// Elements [begin, begin + n) of operand k, as they are when they are contiguous or one for all and need no
/// conversion, else gathered into `block`.
template <class T, std::size_t N>
Operand<ComputeType<T>> gather(const StridedLoop<N>& loop, std::size_t k, const T* data, std::int64_t begin,
                               std::int64_t n, ComputeType<T>* block) {
  const std::int64_t stride = loop.inner_stride(k);
  if constexpr (std::is_same_v<T, ComputeType<T>>) {
    if (begin % loop.inner_size() + n <= loop.inner_size() && (stride == 0 || stride == 1)) {
      return {data + loop.offset(k, begin), static_cast<Stride>(stride)};
    }
  }
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t row = std::min(n - i, loop.inner_size() - (begin + i) % loop.inner_size());
    const T* from = data + loop.offset(k, begin + i);
    if (stride == 1) {
      std::copy_n(from, row, block + i);
    } else {
      for (std::int64_t j = 0; j < row; ++j) {
        block[i + j] = static_cast<ComputeType<T>>(from[j * stride]);
      }
    }
    i += row;
  }
  return {block, Stride::One};
}

/// Writes a block of results to elements [begin, begin + n) of operand 0.
template <class T, std::size_t N>
void scatter(const StridedLoop<N>& loop, T* data, std::int64_t begin, std::int64_t n, const ComputeType<T>* block) {
  const std::int64_t stride = loop.inner_stride(0);
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t row = std::min(n - i, loop.inner_size() - (begin + i) % loop.inner_size());
    T* to = data + loop.offset(0, begin + i);
    if (stride == 1) {
      std::copy_n(block + i, row, to);
    } else {
      for (std::int64_t j = 0; j < row; ++j) {
        to[j * stride] = static_cast<T>(block[i + j]);
      }
    }
    i += row;
  }
}

template <class T>
inline constexpr bool needs_conversion = !std::is_same_v<T, ComputeType<T>>;

/// Calls f(out, n, operands...) on pieces of y and of its operands, of element types Out and In; the pieces have the
/// types that these are computed in. An element takes `nanoseconds` besides its way from and to memory. Elements do not
/// depend on each other, so the cut for the threads is free.
template <class Out, class... In, class F, std::size_t... kIs>
void run_pieces(const Tensor& y, const std::array<const Tensor*, sizeof...(In)>& operands, double nanoseconds,
                const F& f, std::index_sequence<kIs...>) {
  constexpr std::size_t kN = sizeof...(In) + 1;
  const StridedLoop<kN> loop(y.sizes(), {&y, operands[kIs]...});
  Out* const to = y.mutable_data_ptr<Out>();
  const std::tuple<const In*...> from(operands[kIs]->template const_data_ptr<In>()...);
  // Whole rows where every operand lies so and rows are long, else blocks.
  bool whole_rows = !needs_conversion<Out> && !(needs_conversion<In> || ...) && loop.inner_size() >= kBlock &&
                    loop.inner_stride(0) == 1;
  for (std::size_t k = 1; k < kN; ++k) {
    whole_rows = whole_rows && (loop.inner_stride(k) == 0 || loop.inner_stride(k) == 1);
  }
  // A result that is an operand too is in the caches when it is written.
  const bool streams = whole_rows && y.nbytes() >= kStreamBytes && !(y.is_alias_of(*operands[kIs]) || ...);
  constexpr double kOfMemory = kNanosecondsPerByte * static_cast<double>((sizeof(Out) + ... + sizeof(In)));
  const double each = nanoseconds + kOfMemory + (whole_rows ? 0 : kNanosecondsToGather * kN);
  for_each_range_of(y.numel(), each, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) ComputeType<Out> results[kBlock];
    std::tuple<std::array<ComputeType<In>, kBlock>...> blocks;
    for (std::int64_t i = begin; i < end;) {
      const std::int64_t left_in_row = loop.inner_size() - i % loop.inner_size();
      const std::int64_t whole = streams ? std::min(left_in_row, kBlock) : left_in_row;
      const std::int64_t n = std::min(end - i, whole_rows ? whole : kBlock);
      ComputeType<Out>* out = results;
      if constexpr (!needs_conversion<Out>) {
        if (!streams && loop.inner_stride(0) == 1 && n <= left_in_row) {
          out = to + loop.offset(0, i);
        }
      }
      f(out, static_cast<std::size_t>(n),
        gather(loop, kIs + 1, std::get<kIs>(from), i, n, std::get<kIs>(blocks).data())...);
      if (streams) {
        stream_copy(results, to + loop.offset(0, i), static_cast<std::size_t>(n) * sizeof(Out));
      } else if (out == results) {
        scatter(loop, to, i, n, results);
      }
      i += n;
      if (streams && i % kElementwiseChunk == 0) {
        finish_streams();  // without it `where` of three streams took 1.25 times as long
      }
    }
    if (streams) {
      finish_streams();
    }
  });
}

/// One call of f where y is small and no operand has to be gathered or converted; else false.
template <class Out, class... In, class F>
[[gnu::always_inline]] inline bool run_small(const Tensor& y, const std::array<const Tensor*, sizeof...(In)>& operands,
                                             const F& f) {
  if constexpr (!needs_conversion<Out> && !(needs_conversion<In> || ...)) {
    if (is_small_and_flat(y)) {
      return [&]<std::size_t... kIs>(std::index_sequence<kIs...>) {
        const std::tuple<Operand<In>...> flat(flat_operand<In>(*operands[kIs], y)...);
        if (((std::get<kIs>(flat).data == nullptr) || ...)) {
          return false;
        }
        f(y.mutable_data_ptr<Out>(), static_cast<std::size_t>(y.numel()), std::get<kIs>(flat)...);
        return true;
      }
      (std::index_sequence_for<In...>());
    }
  }
  return false;
}

/// One call or pieces. `y` must not be empty.
template <class Out, class... In, class F>
void run_blocked(const Tensor& y, const std::array<const Tensor*, sizeof...(In)>& operands, double nanoseconds,
                 const F& f) {
  if (!run_small<Out, In...>(y, operands, f)) {
    run_pieces<Out, In...>(y, operands, nanoseconds, f, std::index_sequence_for<In...>());
  }
}

/// The same of a function that takes little time beside its operands' way from and to memory.
template <class Out, class... In, class F>
void run_blocked(const Tensor& y, const std::array<const Tensor*, sizeof...(In)>& operands, const F& f) {
  run_blocked<Out, In...>(y, operands, kSimpleNanoseconds, f);
}

}  // namespace backflow::kernels::detail
