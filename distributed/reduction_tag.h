#pragma once

#include <cstdint>

namespace backflow::distributed {

/// The tag under which data parallel training reduces a bucket, so that messages can name it.
struct ReductionTag {
  static constexpr std::int64_t kMaxBuckets = 1'000'000;

  std::int64_t pass = 0;  ///< backward passes with a reduction so far
  std::int64_t bucket = 0;

  std::int64_t value() const { return pass * kMaxBuckets + bucket; }
  static ReductionTag from(std::int64_t tag) { return {tag / kMaxBuckets, tag % kMaxBuckets}; }
};

}  // namespace backflow::distributed
