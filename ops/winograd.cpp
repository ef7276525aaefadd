#include <backflow/ops/winograd.h>

#include <atomic>

namespace backflow {
namespace {

std::atomic<bool> is_on{false};

}  // namespace

bool winograd_is_on() { return is_on.load(std::memory_order_relaxed); }
void set_winograd(bool on) { is_on.store(on, std::memory_order_relaxed); }

}  // namespace backflow
