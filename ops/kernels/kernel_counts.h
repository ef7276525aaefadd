#pragma once

namespace backflow::kernels {

// Each adds one to a count of ops/kernel_counts.h.
void count_activation_reorder();
void count_weight_reorder();
void count_reference_call();

}  // namespace backflow::kernels
