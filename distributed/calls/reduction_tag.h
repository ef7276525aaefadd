#pragma once

#include <cstdint>
#include <string>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/trace/bucket_number.h>

namespace backflow::distributed {

/// The tag under which data parallel training reduces a bucket, so that messages can name it, and so that the buckets
/// of two models never meet.
struct ReductionTag {
  std::int64_t pass = 0;  ///< backward passes of the model with a reduction so far
  std::int64_t bucket = 0;
  std::int64_t round = 0;  ///< of a reduction that takes several calls
  std::int64_t model = 0;  ///< number of the DataParallel among those of its communicator

  static constexpr std::int64_t kMaxModels = 1000;  ///< later ones begin at 0 again
  static constexpr std::int64_t kMaxBuckets = 1'000'000;
  static constexpr std::int64_t kMaxRounds = 4;

  std::int64_t value() const {
    return ((pass * kMaxModels + model % kMaxModels) * kMaxBuckets + bucket) * kMaxRounds + round;
  }
  static ReductionTag from(std::int64_t tag) {
    const std::int64_t rounds = tag / kMaxRounds;
    const std::int64_t models = rounds / kMaxBuckets;
    return {models / kMaxModels, rounds % kMaxBuckets, tag % kMaxRounds, models % kMaxModels};
  }
  /// For slices of a trace.
  std::uint32_t number() const {
    return trace::BucketNumber{static_cast<std::uint32_t>(model % kMaxModels), static_cast<std::uint32_t>(bucket)}
        .value();
  }
  /// "bucket 3", "bucket 3 of model 1"
  std::string bucket_text() const {
    return model == 0 ? to_text("bucket ", bucket) : to_text("bucket ", bucket, " of model ", model);
  }
};

}  // namespace backflow::distributed
