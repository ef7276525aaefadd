#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <backflow/runtime/base/typed_index.h>
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
};

/// The contents of one bucket: gradients of one dtype, then one element per slot, which counts the ranks that have this
/// gradient.
struct BucketPlan {
  ScalarType dtype = kFloat32;
  std::vector<BucketSlot> slots;
  std::int64_t numel = 0;  ///< of the whole bucket

  /// Where the count of slot `i` is.
  std::int64_t count_offset(std::size_t i) const {
    return numel - static_cast<std::int64_t>(slots.size()) + static_cast<std::int64_t>(i);
  }
};

/// Assigns parameters to buckets in reverse order, which is about the order in which backward finishes them. A bucket
/// holds one dtype and at most its limit of bytes; a larger parameter has a bucket of its own. Buckets are ordered by
/// the last parameter that they wait for. Depends on shapes and dtypes alone, so all ranks plan the same.
std::vector<BucketPlan> plan_buckets(std::span<const Tensor> parameters, const BucketLimits& limits = {});

/// In the buckets of a model, in the order in which they are sent.
using BucketIndex = TypedIndex<class Bucket>;

/// One flat tensor in which the gradients of several parameters live. Not thread-safe.
class Bucket {
 public:
  /// Makes the tensor, all zeros, and sets the parameters' grad_buffer to their places in it. An existing gradient is
  /// not moved. `parameters` is the list that was planned.
  Bucket(BucketPlan plan, std::span<const Tensor> parameters);
  /// Removes the grad_buffers; gradients stay where they are.
  ~Bucket();
  Bucket(Bucket&&) = default;
  Bucket& operator=(Bucket&&) = delete;

  const Tensor& flat() const { return flat_; }
  const BucketPlan& plan() const { return plan_; }
  const std::vector<Tensor>& parameters() const { return parameters_; }

  /// Completes the contents before the reduction: copies gradients that live elsewhere into the bucket, and zeros the
  /// slots of parameters without a gradient. Throws Error for a gradient of another shape or dtype than the parameter.
  void fill();
  /// After the reduction: gives every parameter that has a gradient on some rank its slot as gradient. The others keep
  /// none.
  void publish();
  /// Before a pass that adds to gradients of the last reduction. Every rank holds that sum, and the next reduction must
  /// count it once. So one rank keeps it and all others clear it.
  enum class Share { Keep, Clear };
  void begin(Share share);

 private:
  BucketPlan plan_;
  Tensor flat_;
  std::vector<Tensor> parameters_;  ///< by slot
  std::vector<Tensor> views_;       ///< by slot
  std::vector<bool> reduced_;       ///< by slot: the gradient is the sum over the ranks
};

}  // namespace backflow::distributed
