#pragma once

#include <span>

#include <backflow/ops/kernels/optimizers/fused_update.h>

namespace backflow::kernels {

/// What weight decay is added to: the gradient, as in Adam, or the parameter, as in AdamW.
enum class WeightDecay { OfGradient, OfParameter };

/// The numbers of an Adam update, named as PyTorch's.
struct AdamNumbers {
  double lr = 0;
  double beta1 = 0;
  double beta2 = 0;
  double eps = 0;
  double weight_decay = 0;
  WeightDecay decay = WeightDecay::OfGradient;
};

/// One step of Adam or AdamW for all operands. For parameter p, gradient g, averages m (state 0) and v (state 1) and,
/// for AMSGrad, the largest v so far, u (state 2), in step t of the parameter:
///
///   g = g + weight_decay p                           in Adam
///   p = (1 - lr weight_decay) p                      in AdamW
///   m = beta1 m + (1 - beta1) g
///   v = beta2 v + ((1 - beta2) g) g
///   u = max(u, v) with AMSGrad, else v               (NaN if either is)
///   p = p + (-lr / (1 - beta1^t) m) / (sqrt(u) / sqrt(1 - beta2^t) + eps)
///
/// where the numbers in front of tensors are computed in float64 and then rounded to the dtype. Kingma and Ba: "Adam: A
/// method for stochastic optimization", ICLR 2015; Reddi et al.: "On the convergence of Adam and beyond", ICLR 2018;
/// Loshchilov and Hutter: "Decoupled weight decay regularization", ICLR 2019; in the order of PyTorch's operations.
void adam_update(std::span<const UpdateOperand> operands, const AdamNumbers& numbers);

}  // namespace backflow::kernels
