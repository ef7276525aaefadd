#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// The elements of a tensor that indices choose. The element of index i in place p is the one that `base` shows in p,
/// moved by i strides; `base` has the shape of the index, and stride 0 along its dimension `dim`.
struct Lines {
  const char* where;  ///< the operator, for messages
  Tensor base;
  std::size_t dim;
  std::int64_t stride;
  std::int64_t size;  ///< indices are in [0, size); others are an Error
};

/// What gather and scatter choose from `x` along a dimension with an index of these sizes, which must be no larger than
/// those of x in all others.
Lines lines_of(const char* where, const Tensor& x, std::size_t dim, IntArrayRef index_sizes);

/// y[p] = the element of index[p]; y has the shape of `index`, which is int64, and the dtype of the lines. Any strides.
void gather(const Tensor& y, const Lines& x, const Tensor& index);

enum class Combine { Replace, Add };

/// The element of index[p] becomes x[p], or is added x[p], in the order of the indices along the lines' dimension:
/// duplicate ones give the same bits on any number of threads. x has at least the shape of `index`, and the dtype of
/// the lines, which for Add is not bfloat16. Any strides, no overlap.
void scatter(const Lines& y, const Tensor& index, const Tensor& x, Combine combine);

/// What an index chose that is outside of [0, size).
[[noreturn]] void fail_index(const Lines& x, std::int64_t index);

}  // namespace backflow::kernels
