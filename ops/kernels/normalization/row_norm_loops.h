#pragma once

#include <cstddef>

namespace backflow::kernels {

/// The loops of the normalization of rows of n elements, for T = float or double; w and b may be null: ones and zeros.
template <class T>
struct RowNormLoops {
  /// y = ((x - m) r + shift) w + b
  void (*apply)(const T* x, T* y, std::size_t n, T m, T r, T shift, const T* w, const T* b);
  /// The sums of dy w and of dy w (x - m).
  void (*sums)(const T* dy, const T* x, const T* w, std::size_t n, T m, T* sum, T* product);
  /// dx = dy w r + (x - m) k + c
  void (*gradient)(const T* dy, const T* x, const T* w, T* dx, std::size_t n, T m, T r, T k, T c);
  /// dw += dy (x - m) r, db += dy
  void (*parameters)(const T* dy, const T* x, std::size_t n, T m, T r, T* dw, T* db);
  /// y[j] = the sum of x[i * ld + j] over i < rows in their order, for j < n.
  void (*add_rows)(const T* x, std::size_t rows, std::size_t ld, std::size_t n, double* y);
};

/// The loops for the best instruction set of the machine that runs.
template <class T>
const RowNormLoops<T>& row_norm_loops();

}  // namespace backflow::kernels
