#pragma once

#include <cstdint>

namespace backflow::distributed {

/// The tag under which data parallel training reduces a bucket, so that messages can name it.
struct ReductionTag {
  std::int64_t pass = 0;  ///< backward passes with a reduction so far
  std::int64_t bucket = 0;
  std::int64_t round = 0;  ///< of a reduction that takes several calls

  static constexpr std::int64_t kMaxBuckets = 1'000'000;
  static constexpr std::int64_t kMaxRounds = 4;

  std::int64_t value() const { return (pass * kMaxBuckets + bucket) * kMaxRounds + round; }
  static ReductionTag from(std::int64_t tag) {
    const std::int64_t rounds = tag / kMaxRounds;
    return {rounds / kMaxBuckets, rounds % kMaxBuckets, tag % kMaxRounds};
  }
};

}  // namespace backflow::distributed
