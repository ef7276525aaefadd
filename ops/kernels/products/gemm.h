#pragma once

#include <cstdint>

#include <backflow/runtime/tensor/cost.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// y = alpha a b + beta input, for each of a batch of matrices: y [..., M, N] row-major, a [..., M, K], b [..., K, N]
/// with any strides, those of a batch dimension that is repeated being 0; `input` broadcasts to y, may be y itself, and
/// does not count when it is undefined or beta is 0. Dtypes are equal, any but bool; bfloat16 is computed in float32
/// and rounded once, integers wrap. The work is cut over the batch, rows and columns into pieces for the pool.
///
/// An element is a sum of blocks of up to kDepth terms, which depth_of_block() gives: alpha times the sum of each
/// block, in the order of k, is added to the element. That depends on k alone, so bits depend neither on m and n nor on
/// the cut. Only products with vectors (m or n is 1) add up in another order.
void gemm(const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& input = {}, const Scalar& beta = 1,
          const Scalar& alpha = 1);

/// What a product does: 2 M N K operations, each matrix read or written once.
Cost gemm_cost(std::int64_t m, std::int64_t n, std::int64_t k, ScalarType dtype);

/// A matrix in memory for the loops below: element (i, j) is data[i * ld + j], or data[j * ld + i] when transposed.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t ld;
  bool transposed;

  T at(std::int64_t i, std::int64_t j) const { return transposed ? data[j * ld + i] : data[i * ld + j]; }
  /// How far apart the elements of a column and those of a row are.
  std::int64_t row_stride() const { return transposed ? 1 : ld; }
  std::int64_t column_stride() const { return transposed ? ld : 1; }
  /// The same matrix without its first i rows and j columns.
  Matrix from(std::int64_t i, std::int64_t j) const {
    return {data + i * row_stride() + j * column_stride(), ld, transposed};
  }
  Matrix transpose() const { return {data, ld, !transposed}; }
};

/// One product: c [m, n], row-major with leading dimension ldc, becomes alpha a b, or c + alpha a b when `accumulate`.
template <class T>
struct Product {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  Matrix<T> a;
  Matrix<T> b;
  T* c;
  std::int64_t ldc;
  T alpha;
  bool accumulate;
};

// On the calling thread; m, n and k are at least 1.
void gemm_serial(const Product<float>& p);
void gemm_serial(const Product<double>& p);
/// By plain loops; T is std::uint8_t, std::int32_t or std::int64_t.
template <class T>
void gemm_integers(const Product<T>& p);

// The loops of our own behind them.

/// For m and n of 2 or more, and pieces of them.
void gemm_blocks(const Product<float>& p);
void gemm_blocks(const Product<double>& p);
/// Which operand of a product is a vector: a, then m is 1, or b, then n is 1.
enum class VectorSide : std::uint8_t { Left, Right };
void gemm_vector(const Product<float>& p, VectorSide side);
void gemm_vector(const Product<double>& p, VectorSide side);

/// Pieces of gemm_blocks should have multiples of so many rows and columns.
struct TileSize {
  std::int64_t rows;
  std::int64_t columns;
};
template <class T>
TileSize tile_size();

/// The most terms of a sum that are added up in registers.
inline constexpr std::int64_t kDepth = 384;

/// How many of the `left` terms are the next block: a long rest of up to two blocks is halved.
constexpr std::int64_t depth_of_block(std::int64_t left) {
  return left >= 2 * kDepth ? kDepth : left > kDepth ? (left + 7) / 8 * 4 : left;
}

}  // namespace backflow::kernels
