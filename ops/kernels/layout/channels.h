#pragma once

#include <cstdint>
#include <span>

#include <backflow/ops/kernels/layout/blocked.h>

namespace backflow::kernels {

/// Channels [from_first, from_first + count) of `from` become channels [to_first, to_first + count) of `to`, at all
/// positions of all samples. Both have one dtype, batch and number of positions; their blocks may differ in size.
/// Padding is left as it is, but where a last block is copied as a whole.
struct ChannelCopy {
  Blocked to;
  std::int64_t to_first;
  Blocked from;
  std::int64_t from_first;
  std::int64_t count;
};

/// Makes all copies, which must not overlap, in one loop on the pool.
void copy_channels(std::span<const ChannelCopy> copies);

}  // namespace backflow::kernels
