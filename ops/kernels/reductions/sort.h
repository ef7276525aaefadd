#pragma once

#include <cstddef>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

enum class Order { Ascending, Descending };

/// The first k elements of x along dimension `dim` in this order, stable, and their indices: values has the dtype of x
/// and indices int64, both with size k in that dimension, which must not be larger than that of x. NaN is beyond all
/// numbers. Unless `sorted`, they are in no order. Any strides.
void sort(Order order, const Tensor& values, const Tensor& indices, const Tensor& x, std::size_t dim, bool sorted);

/// y[..., k, ...] = x[..., index[..., k, ...], ...] along dimension `dim`; one dtype. Throws Error for an index outside
/// of x; `where` starts its message.
void take(const char* where, const Tensor& y, const Tensor& x, const Tensor& index, std::size_t dim);

/// y[..., index[..., k, ...], ...] += x[..., k, ...] along dimension `dim`; one dtype. Throws as `take`.
void put(const char* where, const Tensor& y, const Tensor& x, const Tensor& index, std::size_t dim);

}  // namespace backflow::kernels
