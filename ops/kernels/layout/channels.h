#pragma once

#include <cstdint>

#include <backflow/ops/kernels/layout/blocked.h>

namespace backflow::kernels {

/// Copies channels [from_first, from_first + count) of `from` to channels [to_first, to_first + count) of `to`, at all
/// positions of all samples. Both have one dtype, batch and number of positions; their blocks may differ in size.
/// Padding is left as it is, but where a last block is copied as a whole.
void copy_channels(const Blocked& to, std::int64_t to_first, const Blocked& from, std::int64_t from_first,
                   std::int64_t count);

}  // namespace backflow::kernels
