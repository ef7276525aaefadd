#pragma once

#include <cstdint>

namespace backflow::distributed {

/// Bytes that a rank sends in an all-reduce of `bytes` on so many ranks.
inline std::int64_t all_reduce_traffic(std::int64_t bytes, int ranks) { return 2 * bytes * (ranks - 1) / ranks; }

}  // namespace backflow::distributed
