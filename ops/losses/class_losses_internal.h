#pragma once

// Scores or log-probabilities and the classes that they are compared with.

#include <backflow/ops/kernels/losses/class_losses.h>
#include <backflow/ops/losses/loss_internal.h>
#include <backflow/ops/reductions/reduction_internal.h>

namespace backflow::detail {

/// The classes of the positions of scores [classes], [rows, classes] or [rows, classes, d1, ...]: int64 of that shape
/// without the classes. Throws Error, which `where` starts, for other shapes and dtypes.
class ClassPositions {
 public:
  ClassPositions(const char* where, IntArrayRef sizes, const Tensor& target, std::int64_t ignored);

  const kernels::ClassTargets& at() const { return at_; }
  /// Throws Error that names the position, when a kernel found one whose class is bad.
  void check_none_bad(std::int64_t position) const;

 private:
  const char* where_;
  Tensor target_;
  kernels::ClassTargets at_;
};

/// Throws Error unless `x` is floating-point, and `weight` undefined or one number of its dtype for each class.
void check_scores(const char* where, const Tensor& x, const Tensor& weight, std::int64_t classes);

/// `weight` as the kernels take it, for scores that are computed in `dtype`.
inline Tensor class_weight(const Tensor& weight, ScalarType dtype) {
  return weight.defined() ? dense(weight, dtype) : Tensor();
}

/// The loss: `losses` themselves for Reduction::None, else their sum, for Mean divided by the sum of their weights.
Tensor reduce_classes(const Tensor& losses, const kernels::ClassSums& sums, std::int64_t reduction, ScalarType dtype);

/// The dimension of the classes.
inline std::int64_t class_dim(const Tensor& x) { return x.dim() == 1 ? 0 : 1; }

/// A tensor [classes] that broadcasts along the classes of x.
Tensor along_classes(const Tensor& weight, const Tensor& x);

}  // namespace backflow::detail
