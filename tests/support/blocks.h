#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <backflow/ops/kernel_counts.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/runtime/tensor/tensor.h>

// Tensors that are kept in channel blocks, for tests.
namespace backflow::test {

/// A tensor with the values of x, off the tape, that is kept in blocks of `block` channels.
inline Tensor in_blocks(const Tensor& x, std::int64_t block) {
  Tensor y = kernels::empty_blocked(x.sizes(), x.scalar_type(), block);
  kernels::copy(kernels::as_blocked(y, block).elements, kernels::as_blocked(x.detach(), block).elements);
  return y;
}

/// How often tensors were brought into another order since the last call.
inline std::int64_t new_reorders() {
  static std::int64_t last = 0;
  const std::int64_t now = kernel_counts().activation_reorders;
  const std::int64_t difference = now - last;
  last = now;
  return difference;
}

/// The block in which a tensor of these sizes is kept when blocks have this size: 1 where that is row-major anyway.
inline std::int64_t kept_block(IntArrayRef sizes, std::int64_t block) {
  return kernels::blocks_of(sizes, block).is_row_major() ? 1 : block;
}

/// Whether the padding of a tensor that is kept in blocks is zero.
inline bool has_clear_padding(const Tensor& x) {
  const kernels::Blocked own = kernels::blocked(x);
  if (!own || !own.blocks.is_padded()) {
    return true;
  }
  const Tensor cleared = empty_tensor(own.elements.sizes(), x.scalar_type());
  kernels::copy(cleared, own.elements);
  kernels::clear_padding({cleared, own.blocks});
  const auto* a = static_cast<const std::byte*>(own.elements.const_data_ptr());
  const auto* b = static_cast<const std::byte*>(cleared.const_data_ptr());
  return std::equal(a, a + cleared.nbytes(), b);
}

}  // namespace backflow::test
