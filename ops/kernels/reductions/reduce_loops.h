#pragma once

#include <cstddef>
#include <cstdint>

#include <backflow/ops/kernels/reductions/reduce.h>

namespace backflow::kernels {

/// The innermost loops of a reduction over contiguous memory, for the best instruction set of the machine that runs.
template <class T>
struct FoldLoops {
  /// y[i] = the fold of x[i * ld .. i * ld + n), for i < rows; in blocks that are combined pairwise.
  void (*rows)(const T* x, std::size_t rows, std::size_t ld, std::size_t n, T* y);
  /// y[j] = f(y[j], the fold of x[r * ld + j] over r < rows), for j < n; y[j] need not be set when `first`.
  void (*columns)(const T* x, std::size_t rows, std::size_t ld, std::size_t n, T* y, bool first);
};

/// The loops for T = uint8_t, int32_t, int64_t, float or double; of Sum and Prod, for the last three alone.
template <class T>
const FoldLoops<T>& fold_loops(Fold f);

/// Mean and sum of squared deviations; both are exact to the rounding of T over blocks of a few thousand elements.
template <class T>
struct MomentsLoops {
  /// Of x[0..n), in two passes.
  void (*row)(const T* x, std::size_t n, double* mean, double* m2);
  /// Of each column of x [rows, n] with rows ld apart, in two passes; scratch has 2 n elements.
  void (*columns)(const T* x, std::size_t rows, std::size_t ld, std::size_t n, double* mean, double* m2, T* scratch);
};

/// The loops for T = float or double.
template <class T>
const MomentsLoops<T>& moments_loops();

}  // namespace backflow::kernels
