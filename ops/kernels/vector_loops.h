#pragma once

#include <array>
#include <cstddef>

#include <backflow/ops/kernels/elementwise.h>

namespace backflow::kernels {

/// How an operand of a loop is laid out: one element after the other, or one element for all.
enum class Stride : std::size_t { Zero = 0, One = 1 };

/// y[i] = f(x[i]) for i < n.
template <class T>
using UnaryLoop = void (*)(const T* x, T* y, std::size_t n);
/// y[i] = f(a[i * stride_a], b[i * stride_b]) for i < n.
template <class T>
using BinaryLoop = void (*)(const T* a, Stride stride_a, const T* b, Stride stride_b, T* y, std::size_t n);

/// The innermost loops over contiguous memory, for the best instruction set of the machine that runs. Every element's
/// value is independent of its position, so a loop may be cut anywhere.
template <class T>
struct VectorLoops {
  std::array<UnaryLoop<T>, static_cast<std::size_t>(Unary::Count)> unary;
  std::array<BinaryLoop<T>, static_cast<std::size_t>(Binary::Count)> binary;
  /// The sum of x[0..n), in blocks whose sums are added pairwise.
  T (*sum)(const T* x, std::size_t n);
  /// y[j] += x[j]
  void (*add_row)(const T* x, T* y, std::size_t n);
  /// y = x - log(sum(exp(x))), for one row.
  void (*log_softmax)(const T* x, T* y, std::size_t n);
};

/// The loops for T = float or double.
template <class T>
const VectorLoops<T>& vector_loops();

/// The name of the instruction set that the loops use: "AVX3", "AVX2", "SSE4", ...
const char* instruction_set();

}  // namespace backflow::kernels
