#pragma once

#include <cstddef>

namespace backflow::kernels {

/// The innermost loops of reductions over contiguous memory, for the best instruction set of the machine that runs.
template <class T>
struct ReduceLoops {
  /// The sum of x[0..n), in blocks whose sums are added pairwise.
  T (*sum)(const T* x, std::size_t n);
  /// y[j] += x[j]
  void (*add_row)(const T* x, T* y, std::size_t n);
  /// y = x - log(sum(exp(x))), for one row.
  void (*log_softmax)(const T* x, T* y, std::size_t n);
};

/// The loops for T = float or double.
template <class T>
const ReduceLoops<T>& reduce_loops();

}  // namespace backflow::kernels
