#pragma once

#include <cstdint>

namespace backflow::trace {

/// A bucket of gradients of one of a program's models, as one number: what slices of its communication have in
/// Event::node. For model 0 it is the bucket's own.
struct BucketNumber {
  static constexpr std::uint32_t kMaxBuckets = std::uint32_t{1} << 20;

  std::uint32_t model = 0;  ///< below 4095
  std::uint32_t bucket = 0;

  constexpr std::uint32_t value() const { return model * kMaxBuckets + bucket; }
  static constexpr BucketNumber from(std::uint32_t value) { return {value / kMaxBuckets, value % kMaxBuckets}; }
};

}  // namespace backflow::trace
