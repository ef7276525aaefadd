#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace backflow::kernels {

/// The window of one output along one dimension: elements first + k dilation for lo <= k < hi.
struct PoolWindow {
  std::int64_t first;
  std::int32_t lo;
  std::int32_t hi;
  std::int32_t counted;  ///< how many the divisor of an average counts

  bool empty() const { return lo >= hi; }
};

/// What the loops need to know of a pooling: for depth, height, width.
struct PoolTables {
  std::array<const PoolWindow*, 3> windows;
  std::array<std::int64_t, 3> outputs;
  std::array<std::int64_t, 3> sizes;
  std::array<std::int64_t, 3> kernels;
  std::array<std::int64_t, 3> steps;  ///< in memory, from one element of a window to the next
  std::int64_t block;                 ///< elements from one position to the next
  std::int64_t divisor;               ///< of averages; 0: the product of `counted`
  bool tiles;                         ///< every element of the input is in just one window
  std::int64_t stride;                ///< from one window to the next along the width, 0 when that varies
  std::int64_t whole_from;            ///< the windows along the width that lie inside the input as a whole
  std::int64_t whole_to;

  bool wide_choice;  ///< choices are of int32, else of uint8
};

/// Loops over one plane: all positions of `lanes` channels of one block, row-major where the block is 1. `x_end` is the
/// end of memory that may be read.
template <class T>
struct PoolLoops {
  void (*max)(const PoolTables& p, const T* x, const T* x_end, T* y, void* choice, std::size_t lanes);
  void (*average)(const PoolTables& p, const T* x, const T* x_end, T* y, std::size_t lanes);
  /// Into dx, which is zero unless windows tile the input.
  void (*average_backward)(const PoolTables& p, T* dx, const T* dy, std::size_t lanes);
  /// The same; null, or of uint8 choices alone.
  void (*max_backward)(const PoolTables& p, T* dx, const T* dy, const std::uint8_t* choice, std::size_t lanes);
  /// The mean of x[i * block + lane] over i < n.
  void (*mean)(const T* x, std::size_t n, std::size_t block, T* y, std::size_t lanes);
};

/// The loops for T = float or double, for the best instruction set of the machine that runs.
template <class T>
const PoolLoops<T>& pool_loops();

}  // namespace backflow::kernels
