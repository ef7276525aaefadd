#pragma once

#include <cstddef>

#include <backflow/ops/kernels/activations/softmax.h>

namespace backflow::kernels {

/// What the logarithm of the softmax of a row is computed from: log y[i] = x[i] - largest - log_sum. NaN where softmax
/// is.
template <class T>
struct RowStatistics {
  T largest;
  T log_sum;  ///< the logarithm of the sum of e^(x[i] - largest)
};

/// Softmax of contiguous rows, and of the columns of a block whose rows are `ld` apart. `scratch` has 2 columns
/// elements.
template <class T>
struct SoftmaxLoops {
  void (*row)(const T* x, T* y, std::size_t n);
  RowStatistics<T> (*statistics)(const T* x, std::size_t n);
  /// The sum of x[i] - from.
  T (*sum_beyond)(const T* x, T from, std::size_t n);
  /// dx = scale softmax(x) - shift.
  void (*scaled_row)(const T* x, const RowStatistics<T>& of_x, T scale, T shift, T* dx, std::size_t n);
  void (*row_backward)(const T* dy, const T* y, T* dx, std::size_t n);
  void (*columns)(const T* x, T* y, std::size_t rows, std::size_t ld, std::size_t columns, T* scratch);
  void (*columns_backward)(const T* dy, const T* y, T* dx, std::size_t rows, std::size_t ld, std::size_t columns,
                           T* scratch);
};

/// The loops for T = float or double, for the best instruction set of the machine that runs.
template <class T>
const SoftmaxLoops<T>& softmax_loops(Softmax kind);

}  // namespace backflow::kernels
