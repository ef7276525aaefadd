#pragma once

#include <cstdint>

#include <backflow/ops/kernels/creation/dropout.h>

namespace backflow::kernels {

/// The loops of drop() for elements of type S. `least` is the least word of what is kept.
template <class S>
struct DropLoops {
  /// Of n features of one element, the first of which has number `first`, a multiple of kFeaturesOfGroup.
  void (*elements)(const S* x, S* y, std::int64_t first, std::int64_t n, std::uint32_t least, const Dropping& rule);
  /// Of one feature of n elements.
  void (*feature)(const S* x, S* y, std::int64_t n, bool is_kept, const Dropping& rule);
};

}  // namespace backflow::kernels
