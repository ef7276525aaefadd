#include <atomic>

#include <backflow/ops/kernel_counts.h>
#include <backflow/ops/kernels/kernel_counts.h>

namespace backflow {
namespace {

std::atomic<std::int64_t> activation_reorders{0};
std::atomic<std::int64_t> weight_reorders{0};
std::atomic<std::int64_t> reference_calls{0};

}  // namespace

KernelCounts kernel_counts() {
  return {activation_reorders.load(std::memory_order_relaxed), weight_reorders.load(std::memory_order_relaxed),
          reference_calls.load(std::memory_order_relaxed)};
}

namespace kernels {

void count_activation_reorder() { activation_reorders.fetch_add(1, std::memory_order_relaxed); }
void count_weight_reorder() { weight_reorders.fetch_add(1, std::memory_order_relaxed); }
void count_reference_call() { reference_calls.fetch_add(1, std::memory_order_relaxed); }

}  // namespace kernels
}  // namespace backflow
