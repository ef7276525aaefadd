#pragma once

#include <backflow/runtime/tensor/tensor.h>

// Normalization of the rows of a matrix [rows, n]: y = (x - m) r w + b. x, dy, y and dx are contiguous, of one dtype,
// float32 or float64.
namespace backflow::kernels {

/// What is taken off a row before it is divided: its mean, or nothing.
enum class Center { Mean, Nothing };

struct RowNorm {
  Center center = Center::Mean;
  double eps = 0;
  Tensor w = {};          ///< [sets, n], contiguous, of the dtype of x; undefined: ones
  Tensor b = {};          ///< the same; undefined: zeros
  std::int64_t sets = 1;  ///< of w and b, which rows use in turn: row i has set i mod sets
};

/// Fills y, and the contiguous float64 tensors [rows] of m and of r = 1 / sqrt(mean of (x - m)^2 + eps).
void row_norm(const Tensor& y, const Tensor& x, const RowNorm& how, const Tensor& mean, const Tensor& rstd);

/// What is to be filled: dx [rows, n], and dw and db, contiguous float64 tensors [sets, n]. What is not wanted is
/// undefined.
struct RowNormGradients {
  Tensor dx;
  Tensor dw;
  Tensor db;
};

/// The gradients from dy and what row_norm gave.
void row_norm_backward(const RowNormGradients& wanted, const Tensor& dy, const Tensor& x, const RowNorm& how,
                       const Tensor& mean, const Tensor& rstd);

}  // namespace backflow::kernels
