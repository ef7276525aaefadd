#pragma once

#include <span>

#include <backflow/runtime/tensor.h>

namespace backflow::kernels {

/// The numbers of an SGD update, named as PyTorch's.
struct SgdNumbers {
  double lr = 0;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

/// The tensors of one parameter's update: of one shape and floating-point dtype, row-major, without overlap.
struct SgdOperand {
  Tensor parameter;
  Tensor gradient;
  Tensor momentum_buffer;   ///< undefined without momentum
  bool first_step = false;  ///< the buffer is not read, and becomes the gradient
};

/// One step of SGD for all operands, in one pass over their elements. For parameter p, gradient g and buffer b:
///
///   g = g + weight_decay p
///   b = momentum b + (1 - dampening) g        (b = g in the first step)
///   g = g + momentum b with Nesterov, else b
///   p = p - lr g
///
/// Each line is computed with one rounding per operation, in the parameters' dtype: the same bits on any number of
/// threads and any instruction set. Sutskever et al.: "On the importance of initialization and momentum in deep
/// learning", ICML 2013, with PyTorch's variant of the update.
void sgd_update(std::span<const SgdOperand> operands, const SgdNumbers& numbers);

}  // namespace backflow::kernels
