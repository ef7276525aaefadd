#pragma once

#include <backflow/ops/kernels/elementwise/elementwise.h>

namespace backflow::kernels {

/// Losses of an input x and a target t, element by element. 0 times an infinite logarithm is 0.
enum class Loss {
  Squared,        ///< (x - t)^2
  Absolute,       ///< |x - t|
  Smooth,         ///< (x - t)^2 / (2 params[0]) where |x - t| < params[0], else |x - t| - params[0] / 2
  Huber,          ///< (x - t)^2 / 2 where |x - t| <= params[0], else params[0] (|x - t| - params[0] / 2)
  CrossEntropy,   ///< -t log(x) - (1 - t) log(1 - x) with logarithms of at least -100; NaN where x is not in [0, 1]
  Logits,         ///< the same of 1 / (1 + e^-x), without limits
  Divergence,     ///< t (log(t) - x), 0 where t = 0
  LogDivergence,  ///< e^t (t - x)
  Counts,         ///< x - t log(x + params[0]), and where params[2] is not 0 and t > 1 t log(t) - t + log(2 pi t) / 2
  LogCounts,      ///< the same with e^x - t x in the place of the first terms
  SoftMargin,     ///< log(1 + e^(-t x))
  Count
};

// Of the functions below, x and t are of one shape and one floating-point dtype and have any strides. bfloat16 is
// computed in float32 and rounded once. How the work is cut depends on the shape alone.

/// y = f(x, t), of the same shape and dtype.
void loss(Loss f, const Tensor& y, const Tensor& x, const Tensor& t, const Params& params);

/// y = positive t log(1 + e^-x) + (1 - t) log(1 + e^x): Loss::Logits with a weight of the positive class, which
/// broadcasts.
void weighted_logits(const Tensor& y, const Tensor& x, const Tensor& t, const Tensor& positive);

/// y, a tensor without dimensions, = the sum of f(x, t) / divisor.
void loss_sum(Loss f, const Tensor& y, const Tensor& x, const Tensor& t, const Params& params, double divisor);

/// dx = dy f'(x, t) / divisor, the derivative for x. dy broadcasts to the shape of dx.
void loss_backward(Loss f, const Tensor& dx, const Tensor& dy, const Tensor& x, const Tensor& t, const Params& params,
                   double divisor);

}  // namespace backflow::kernels
