#pragma once

#include <span>

#include <backflow/ops/kernels/optimizers/fused_update.h>

namespace backflow::kernels {

/// The numbers of an Adagrad update, named as PyTorch's.
struct AdagradNumbers {
  double lr = 0;
  double lr_decay = 0;
  double eps = 0;
  double weight_decay = 0;
};

/// One step of Adagrad for all operands. For parameter p, gradient g and sum s (state 0), in step t of the parameter:
///
///   g = g + weight_decay p
///   s = s + g g
///   p = p + (-lr / (1 + (t - 1) lr_decay) g) / (sqrt(s) + eps)
///
/// Duchi, Hazan and Singer: "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 12,
/// 2011; in the order of PyTorch's operations.
void adagrad_update(std::span<const UpdateOperand> operands, const AdagradNumbers& numbers);

}  // namespace backflow::kernels
