#pragma once

#include <utility>
#include <vector>

#include <backflow/tests/support/samples.h>

// Operands of samples, in short.
namespace backflow::test {

inline Operand numbers(std::vector<std::int64_t> sizes, Layout layout = Layout::Contiguous) {
  return {.sizes = std::move(sizes), .layout = layout};
}
/// int64 numbers from 0 up to `high`, which is left out.
inline Operand indices(std::vector<std::int64_t> sizes, double high, Layout layout = Layout::Contiguous) {
  return {.sizes = std::move(sizes), .low = 0, .high = high, .layout = layout, .of = Of::Integer};
}
inline Operand mask(std::vector<std::int64_t> sizes, Layout layout = Layout::Contiguous) {
  return {.sizes = std::move(sizes), .layout = layout, .of = Of::Mask};
}

}  // namespace backflow::test
