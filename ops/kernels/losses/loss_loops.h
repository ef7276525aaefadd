#pragma once

#include <backflow/ops/kernels/elementwise/loops.h>
#include <backflow/ops/kernels/losses/losses.h>

namespace backflow::kernels {

/// The loop y = f(x, t) for T = float or double, for the best instruction set of the machine that runs.
template <class T>
BinaryLoop<T> loss_loop(Loss f);

/// The loop dx = dy params[1] f'(x, t), whose operands are dy, x, t.
template <class T>
TernaryLoop<T> loss_gradient_loop(Loss f);

/// The loop of weighted_logits(), whose operands are x, t, positive.
template <class T>
TernaryLoop<T> weighted_logits_loop();

}  // namespace backflow::kernels
