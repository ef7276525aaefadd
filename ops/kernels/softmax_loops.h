#pragma once

#include <cstddef>

#include <backflow/ops/kernels/softmax.h>

namespace backflow::kernels {

/// Softmax of contiguous rows, and of the columns of a block whose rows are `ld` apart. `scratch` has 2 columns
/// elements.
template <class T>
struct SoftmaxLoops {
  void (*row)(const T* x, T* y, std::size_t n);
  void (*row_backward)(const T* dy, const T* y, T* dx, std::size_t n);
  void (*columns)(const T* x, T* y, std::size_t rows, std::size_t ld, std::size_t columns, T* scratch);
  void (*columns_backward)(const T* dy, const T* y, T* dx, std::size_t rows, std::size_t ld, std::size_t columns,
                           T* scratch);
};

/// The loops for T = float or double, for the best instruction set of the machine that runs.
template <class T>
const SoftmaxLoops<T>& softmax_loops(Softmax kind);

}  // namespace backflow::kernels
