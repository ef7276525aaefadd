#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/resampling/resample.h>

namespace backflow::kernels {

/// A linear map along a dimension: element i of the result is the sum of weights[k size() + i] x[first[i] + k] for k <
/// width, whose order is that of k. Of an element with weight 0 nothing is taken, not even NaN.
template <class T>
struct Taps {
  using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;  // as wide as the lanes of a vector

  std::int64_t width = 1;
  bool copies = false;    ///< the width is 1 and all weights are 1
  bool identity = false;  ///< and the result is x
  bool pairs = false;     ///< the width is 2 and each element is of the two after those of the one before
  std::vector<Index> first;
  std::vector<T> weights;

  Taps(Filter filter, const Axis& axis, bool transposed);

  std::int64_t size() const { return static_cast<std::int64_t>(first.size()); }
  T weight(std::int64_t i, std::int64_t k) const { return weights[static_cast<std::size_t>(k * size() + i)]; }
  std::int64_t source(std::int64_t i) const { return first[static_cast<std::size_t>(i)]; }
};

/// The innermost loops, for T = float or double.
template <class T>
struct ResampleLoops {
  /// y = taps of x.
  void (*along)(const T* x, T* y, const Taps<T>& taps);
  /// y[0, n) = the sum of weights[k] rows[k][0, n), for k < count, count >= 1.
  void (*across)(const T* const* rows, const T* weights, std::size_t count, T* y, std::size_t n);
};

}  // namespace backflow::kernels
