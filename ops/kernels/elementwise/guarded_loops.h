#pragma once

#include <backflow/ops/kernels/elementwise/guarded.h>
#include <backflow/ops/kernels/elementwise/loops.h>

namespace backflow::kernels {

/// The loop y = f(a, b) for T = float or double, for the best instruction set of the machine that runs.
template <class T>
BinaryLoop<T> guarded_loop(Guarded f);

/// The loop y = f(a, b, c).
template <class T>
TernaryLoop<T> guarded_loop(GuardedOfTwo f);

}  // namespace backflow::kernels
