#pragma once

#include <cstddef>
#include <cstdint>

namespace backflow::kernels {

/// The innermost loops that look for the largest (kLargest) or smallest number and its index, for the best instruction
/// set of the machine that runs. The first of equal ones counts; NaN is beyond all others.
template <class T>
struct ExtremeLoops {
  /// The index of the first element that equals `value`, or that is NaN when it is NaN; n when there is none.
  std::size_t (*find)(const T* x, std::size_t n, T value);
  /// values[j] = x[j] and indices[j] = row where x[j] is beyond values[j].
  void (*row_max)(const T* x, std::int64_t row, T* values, std::int64_t* indices, std::size_t n);
  void (*row_min)(const T* x, std::int64_t row, T* values, std::int64_t* indices, std::size_t n);
};

/// The loops for T = uint8_t, int32_t, int64_t, float or double.
template <class T>
const ExtremeLoops<T>& extreme_loops();

}  // namespace backflow::kernels
