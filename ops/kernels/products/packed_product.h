#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// y = x w + bias for float32 matrices x [m, k] and weights w [k, n], with w in a form that oneDNN reads faster and
/// that is kept with the weights (see packed_weights.h): for those that are used again before they change. y [m, n] is
/// row-major, bias [n] or undefined. The work is cut over the columns of w and the rows of x into pieces for the pool.
///
/// Returns false, and has done nothing, when packing does not pay: for sizes that are too small or too large
/// (docs/internals/measurements.md), on processors for which oneDNN has no such form, and when w can't be
/// kept, being but a part of its storage (the transpose of a row-major [n, k] is whole too) or exposed by
/// Tensor::data_ptr.
bool packed_product(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& bias);

}  // namespace backflow::kernels
