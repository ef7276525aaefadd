#pragma once

#include <cstdint>

#include <backflow/runtime/cost.h>
#include <backflow/runtime/tensor.h>

namespace backflow::kernels {

/// y = a b, plus `bias` in every row when it is defined: y [M, N] contiguous, a [M, K] and b [K, N] with any strides,
/// bias [N] contiguous. All of one floating-point dtype. float32 runs on oneDNN, float64 (which oneDNN has not) on
/// loops of our own. Large products are cut over rows or columns of y into pieces for the pool; the cut depends on M, N
/// and K alone.
void gemm(const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& bias = {});

/// What a product does: 2 M N K operations, each matrix read or written once.
Cost gemm_cost(std::int64_t m, std::int64_t n, std::int64_t k, ScalarType dtype);

/// A matrix in memory for the loops below: element (i, j) is data[i * ld + j], or data[j * ld + i] when transposed.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t ld;
  bool transposed;

  T at(std::int64_t i, std::int64_t j) const { return transposed ? data[j * ld + i] : data[i * ld + j]; }
  /// The same matrix without its first i rows and j columns.
  Matrix from(std::int64_t i, std::int64_t j) const {
    return {data + (transposed ? j * ld + i : i * ld + j), ld, transposed};
  }
};

/// c [m, n], row-major with leading dimension ldc, becomes a b, or c + a b when `accumulate`. On the calling thread.
void gemm_serial(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a, Matrix<float> b, float* c,
                 std::int64_t ldc, bool accumulate);
void gemm_serial(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<double> a, Matrix<double> b, double* c,
                 std::int64_t ldc, bool accumulate);

}  // namespace backflow::kernels
