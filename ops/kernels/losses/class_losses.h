#pragma once

#include <cstdint>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// Scores or log-probabilities [outer, classes, inner], row-major, and the class of each of the outer * inner
/// positions. Classes may be anything: the functions below say which position has a bad one, and read nothing there.
struct ClassTargets {
  std::int64_t outer = 1;
  std::int64_t classes = 1;
  std::int64_t inner = 1;
  const std::int64_t* target = nullptr;
  std::int64_t ignored = -100;  ///< positions of this class count for nothing

  std::int64_t positions() const { return outer * inner; }
  bool is_class(std::int64_t c) const { return static_cast<std::uint64_t>(c) < static_cast<std::uint64_t>(classes); }
};

/// Sums over positions, in an order that depends on the shape alone.
struct ClassSums {
  double loss = 0;
  double weight = 0;
  std::int64_t bad = -1;  ///< the first position whose class is neither ignored nor one of the classes, else -1
};

// Of the functions below, tensors are contiguous and of one dtype, float32 or float64. `weight`, one number for each
// class, may be undefined: all are 1. `losses`, one for each position, may be undefined: only the sums are wanted.

/// losses[i] = -weight[c] x[i, c] for the class c of position i, 0 where it is ignored.
ClassSums nll(const ClassTargets& at, const Tensor& losses, const Tensor& x, const Tensor& weight);
/// The sum of the weights alone.
ClassSums sum_weights(const ClassTargets& at, const Tensor& weight);
/// dx = 0 but for -weight[c] dy / divisor at the class of each position; dy has one number, or one for each position.
/// Returns the first bad position.
std::int64_t nll_backward(const ClassTargets& at, const Tensor& dx, const Tensor& dy, const Tensor& weight,
                          double divisor);

/// Rows of scores, inner = 1: losses[i] = weight[c] ((1 - smoothing) l[c] + smoothing mean(l)), where l = -log
/// softmax(x). `statistics` [outer, 2] is for the backward.
ClassSums cross_entropy(const ClassTargets& at, const Tensor& losses, const Tensor& statistics, const Tensor& x,
                        const Tensor& weight, double smoothing);
/// dx = weight[c] dy / divisor (softmax(x) - smoothing / classes), less (1 - smoothing) weight[c] dy / divisor at the
/// class of each row; 0 in rows that are ignored. Returns the first bad row.
std::int64_t cross_entropy_backward(const ClassTargets& at, const Tensor& dx, const Tensor& dy, const Tensor& x,
                                    const Tensor& statistics, const Tensor& weight, double smoothing, double divisor);

}  // namespace backflow::kernels
