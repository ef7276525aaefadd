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
  std::array<std::int64_t, 3> strides;  ///< from one window to the next, 0 when that varies
  std::array<std::int64_t, 3> paddings;
  std::array<std::int64_t, 3> dilations;
  std::array<std::int64_t, 3> steps;  ///< in memory, from one element of a window to the next
  std::int64_t block;                 ///< elements from one position to the next
  std::int64_t divisor;               ///< of averages; 0: the product of `counted`
  bool tiles;                         ///< every element of the input is in just one window
  std::int64_t whole_from;            ///< the windows along the width that lie inside the input as a whole
  std::int64_t whole_to;

  bool wide_choice;  ///< choices are of int32, else of uint8
};

/// The part of a plane that a loop writes, of its depth and its height: of the outputs, or of the elements of a
/// gradient. One of the two is whole, unless the other is of size 1.
struct PoolPart {
  std::array<std::int64_t, 2> from;
  std::array<std::int64_t, 2> to;
};

// Loops over a part of one plane: all positions of `lanes` channels of one block, row-major where the block is 1.

/// y of x. `x_end` is the end of memory that may be read.
template <class T>
struct PoolLoops {
  void (*max)(const PoolTables& p, const PoolPart& part, const T* x, const T* x_end, T* y, void* choice,
              std::size_t lanes);
  void (*average)(const PoolTables& p, const PoolPart& part, const T* x, const T* x_end, T* y, std::size_t lanes);
};

/// dx of dy; dx is zero unless windows tile the input.
template <class T>
struct PoolGradientLoops {
  void (*average)(const PoolTables& p, const PoolPart& part, T* dx, const T* dy, std::size_t lanes);
  /// Null, or of uint8 choices alone.
  void (*max)(const PoolTables& p, const PoolPart& part, T* dx, const T* dy, const std::uint8_t* choice,
              std::size_t lanes);
};

/// dx of dy and uint8 choices, row-major, whatever dx was: each element adds up what chose it. For poolings of which
/// `gathers(p)`: those of small windows that are 1 or 2 apart along the width and not dilated there.
void pool_gather(const PoolTables& p, const PoolPart& part, float* dx, const float* dy, const std::uint8_t* choice);
bool gathers(const PoolTables& p);
constexpr std::int64_t kGatheredWindow = 25;  ///< elements of the largest window

template <class T>
struct MeanLoops {
  /// The mean of x[i * block + lane] over i < n.
  void (*mean)(const T* x, std::size_t n, std::size_t block, T* y, std::size_t lanes);
};

/// The loops for T = float or double, for the best instruction set of the machine that runs.
template <class T>
const PoolLoops<T>& pool_loops();
template <class T>
const PoolGradientLoops<T>& pool_gradient_loops();
template <class T>
const MeanLoops<T>& mean_loops();

}  // namespace backflow::kernels
