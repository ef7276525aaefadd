#pragma once

#include <cstdint>

namespace backflow {

/// Work of the kernels besides computing: copies between layouts and slow fallbacks. Counted since the start of the
/// process, over all threads.
struct KernelCounts {
  /// Tensors that were copied between row-major order and channel blocks, or between blocks of different sizes.
  std::int64_t activation_reorders = 0;
  /// Weights that were packed: once for each layout and change of the weights.
  std::int64_t weight_reorders = 0;
  /// Calls of oneDNN's slow reference implementation ("ref"), taken where it has no fast one.
  std::int64_t reference_calls = 0;
};

/// Thread-safe. The difference of two results counts what happened in between.
KernelCounts kernel_counts();

}  // namespace backflow
