#pragma once

#include <span>

#include <backflow/ops/kernels/optimizers/fused_update.h>

namespace backflow::kernels {

/// The numbers of an SGD update, named as PyTorch's.
struct SgdNumbers {
  double lr = 0;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

/// One step of SGD for all operands. For parameter p, gradient g and buffer b, which is state 0 when there is momentum:
///
///   g = g + weight_decay p
///   b = momentum b + (1 - dampening) g        (b = g when the state is new)
///   g = g + momentum b with Nesterov, else b
///   p = p - lr g
///
/// Sutskever et al.: "On the importance of initialization and momentum in deep learning", ICML 2013, with PyTorch's
/// variant of the update.
void sgd_update(std::span<const UpdateOperand> operands, const SgdNumbers& numbers);

}  // namespace backflow::kernels
