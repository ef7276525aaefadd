#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <backflow/ops/kernels/reductions/scan.h>

namespace backflow::kernels {

/// What numbers of type T are added up or multiplied in; unsigned, so that integers wrap.
template <class T>
using ScanType = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

template <class T>
struct ScanLoops {
  /// The running fold of four lines of n elements that start at x[i] and y[i], from start[i]; `step` is 1 or -1.
  void (*lines)(const T* const* x, T* const* y, const ScanType<T>* start, std::size_t n, std::ptrdiff_t step);
  /// The fold of x[0..n).
  ScanType<T> (*total)(const T* x, std::size_t n);
  /// running[j] = f(running[j], x[j]), and y[j] the same, for j < n: of `count` rows of x and y, `step` apart.
  void (*rows)(const T* x, ScanType<T>* running, T* y, std::size_t count, std::ptrdiff_t step, std::size_t n);
};

/// The loops for T = int64_t, float or double, for the best instruction set of the machine that runs.
template <class T>
const ScanLoops<T>& scan_loops(Scan f);

}  // namespace backflow::kernels
