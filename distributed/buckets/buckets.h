#pragma once

#include <span>
#include <vector>

#include <backflow/distributed/buckets/bucket_plan.h>
#include <backflow/runtime/base/typed_index.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::distributed {

/// In the buckets of a model, in the order in which they are sent.
using BucketIndex = TypedIndex<class Bucket>;

/// One flat tensor in which the gradients of several parameters live. Not thread-safe.
class Bucket {
 public:
  /// Sets the parameters' grad_buffer to their places in a flat tensor of zeros. An existing gradient is not moved.
  /// A place whose slot is in blocks is a tensor that keeps its elements in these: operators that know blocks read and
  /// write them where they are. For all others it is as any tensor: they get a row-major copy.
  /// `parameters` is the list that was planned. `memory`: the flat tensor, of the plan's dtype and at least its number
  /// of elements; made here when undefined.
  Bucket(BucketPlan plan, std::span<const Tensor> parameters, Tensor memory = Tensor());
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
  /// Whether the gradient of slot `i` is the sum over the ranks, published and not yet dropped by begin().
  bool is_reduced(std::size_t i) const { return reduced_[i]; }
  /// Before a pass that adds to gradients of the last reduction. Every rank holds that sum, and the next reduction must
  /// count it once. So one rank keeps it and all others clear it.
  enum class Share { Keep, Clear };
  void begin(Share share);

 private:
  Tensor elements(std::size_t i) const;
  const Tensor& place(std::size_t i);

  BucketPlan plan_;
  Tensor flat_;
  std::vector<Tensor> parameters_;  ///< by slot
  std::vector<Tensor> places_;      ///< by slot; what is in blocks may have left the bucket, see place()
  std::vector<bool> reduced_;       ///< by slot
};

}  // namespace backflow::distributed
