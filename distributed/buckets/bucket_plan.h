#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::distributed {

/// How much is sent at once. The first bucket of a dtype is small, so that sending starts early.
struct BucketLimits {
  std::size_t first_bytes = std::size_t{1} << 20;
  std::size_t bytes = std::size_t{25} << 20;
};

/// The place of a parameter's gradient in its bucket. Counts elements.
struct BucketSlot {
  std::size_t parameter = 0;  ///< its index in the list that was planned
  std::int64_t offset = 0;    ///< a multiple of 64 bytes
  std::int64_t numel = 0;
  ChannelBlocks blocks = {};  ///< in which the elements lie; none: row-major

  bool is_in_blocks() const { return blocks.batch > 0; }
  friend bool operator==(const BucketSlot&, const BucketSlot&) = default;
};

/// The contents of one bucket: gradients of one dtype, then one element per slot, which counts the ranks that have this
/// gradient.
struct BucketPlan {
  ScalarType dtype = kFloat32;
  std::vector<BucketSlot> slots;
  std::int64_t numel = 0;  ///< of the whole bucket

  /// Where the count of slot `i` is. That of slot 0 is where the gradients end.
  std::int64_t count_offset(std::size_t i) const {
    return numel - static_cast<std::int64_t>(slots.size()) + static_cast<std::int64_t>(i);
  }
  friend bool operator==(const BucketPlan&, const BucketPlan&) = default;
};

/// An order of parameters, by their indices: that in which a backward completes their gradients.
using ParameterOrder = std::vector<std::size_t>;

/// Of each parameter, by its index: the blocks in which operators make its gradient; none: row-major.
using GradientBlocks = std::vector<ChannelBlocks>;

/// The order in which a backward completes gradients, about, when nothing is known of it: the reverse of the list.
ParameterOrder reverse_order(std::size_t parameters);

/// Assigns parameters to buckets in `order`, which has each index once. A bucket holds one dtype and at most its limit
/// of bytes; a larger parameter has a bucket of its own. Buckets are ordered by the last parameter that they wait for.
/// Depends on shapes, dtypes, the order and `blocks` alone, so ranks that agree on these plan the same. `blocks`: those
/// of each parameter; empty: all gradients are row-major.
std::vector<BucketPlan> plan_buckets(std::span<const Tensor> parameters, const BucketLimits& limits,
                                     std::span<const std::size_t> order, std::span<const ChannelBlocks> blocks = {});
/// The same in the reverse of the list.
std::vector<BucketPlan> plan_buckets(std::span<const Tensor> parameters, const BucketLimits& limits = {});

/// How long gradients wait for others before they are sent: the mean over all bytes of the buckets of the part of the
/// bytes that a backward has completed when the bucket is sent, 0 to 1. `completed`: the order in which a backward
/// completed gradients; who is not in it was not waited for.
double mean_wait(std::span<const BucketPlan> plans, std::span<const Tensor> parameters,
                 std::span<const std::size_t> completed);

}  // namespace backflow::distributed
