#pragma once

#include <cstdint>

namespace backflow {

/// What kernels had to do beside computing, since the start of the process, on all of its threads.
struct KernelCounts {
  /// Tensors that were copied between row-major order and channel blocks, or between blocks of different sizes.
  std::int64_t activation_reorders = 0;
  /// Weights that were copied into a form that a kernel reads fast: once for each form and change of the weights.
  std::int64_t weight_reorders = 0;
  /// Calls of oneDNN that it could only serve by its slow reference implementation ("ref").
  std::int64_t reference_calls = 0;
};

/// Thread-safe; take the difference of two to know about what lies between.
KernelCounts kernel_counts();

}  // namespace backflow
