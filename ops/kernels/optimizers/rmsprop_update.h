#pragma once

#include <span>

#include <backflow/ops/kernels/optimizers/fused_update.h>

namespace backflow::kernels {

/// The numbers of an RMSprop update, named as PyTorch's.
struct RmspropNumbers {
  double lr = 0;
  double alpha = 0;
  double eps = 0;
  double weight_decay = 0;
  double momentum = 0;
};

/// One step of RMSprop for all operands. For parameter p, gradient g, average v of its square (state 0), with momentum
/// the buffer b (state 1), and when centered the average a of the gradient (state 2):
///
///   g = g + weight_decay p
///   v = alpha v + ((1 - alpha) g) g
///   a = alpha a + (1 - alpha) g                      when centered
///   r = sqrt(max(v - a a, e v)) + eps when centered, else sqrt(v) + eps
///   b = momentum b + g / r,  p = p - lr b            with momentum
///   p = p + (-lr g) / r                              else
///
/// where e is the distance from 1 to the next number of the dtype. v - a a is a variance, but where gradients hardly
/// vary both are rounded by more than they differ, and the difference may even be negative. It is taken for no less
/// than it can be known to be: steps stay below lr g / (sqrt(e) |g|), where 0 would make them lr g / eps.
///
/// Tieleman and Hinton: "Lecture 6.5 - RMSProp", COURSERA: Neural Networks for Machine Learning, 2012; Graves:
/// "Generating sequences with recurrent neural networks", arXiv 1308.0850, for the centered one; in the order of
/// PyTorch's operations.
void rmsprop_update(std::span<const UpdateOperand> operands, const RmspropNumbers& numbers);

}  // namespace backflow::kernels
