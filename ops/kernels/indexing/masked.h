#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

// Of the functions below, `mask` is a row-major bool tensor, and so are x and y row-major.

/// The numbers of the true elements in row-major order: int64 [n].
Tensor true_places(const Tensor& mask);

/// The elements of x where `mask`, of its shape, is true, one after the other: [n].
Tensor compact(const Tensor& x, const Tensor& mask);

/// The elements of y where `mask`, of its shape, is true become those of x, one after the other; dtypes are equal.
/// An Error, which starts with `where`, when x has too few.
void spread(const char* where, const Tensor& y, const Tensor& mask, const Tensor& x);

}  // namespace backflow::kernels
