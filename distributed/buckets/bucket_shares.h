#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <backflow/distributed/buckets/buckets.h>
#include <backflow/distributed/buckets/exchange.h>
#include <backflow/distributed/communicator.h>
#include <backflow/nn/optim/optimizer.h>

namespace backflow::distributed {

/// Elements of the flat tensor of a bucket that are to be cut into one equal share for each rank: at least `numel`, a
/// multiple of 64 bytes in each share.
std::int64_t shared_numel(std::int64_t numel, ScalarType dtype, int ranks);

/// The elements of one parameter that lie in a rank's share of a bucket.
struct SlotShare {
  std::size_t slot = 0;
  optim::ElementRange range;  ///< of the parameter; may be empty
  std::int64_t offset = 0;    ///< of the first in the bucket
};

/// A bucket whose flat tensor is cut into equal shares, one for each rank (ZeRO stage 1; Rajbhandari et al.: "ZeRO:
/// Memory optimizations toward training trillion parameter models", SC 2020). A rank gets the sums of the gradients in
/// its share, updates these elements of the parameters, and sends them to all.
class BucketShares {
 public:
  /// The bucket's flat tensor has shared_numel() elements.
  BucketShares(Bucket& bucket, const Communicator& communicator);

  /// What lies in this rank's share, one for each slot.
  const std::vector<SlotShare>& own() const { return own_; }
  /// The updates of this rank's share, for parameters that have a gradient on some rank.
  std::vector<optim::PartialUpdate> updates() const;
  /// After the update: copies this rank's elements of the parameters into the bucket, over the gradients.
  void put_parameters() const;
  /// After the all-gather: copies the elements of all other ranks from the bucket into the parameters.
  void take_parameters() const;

 private:
  Bucket& bucket_;
  std::vector<SlotShare> own_;
};

/// The sums of a bucket's gradients, each rank those of its share: an all-reduce of the counts of ranks that have each
/// gradient, and a reduce-scatter. With BFloat16 it sends that, as make_bfloat16_exchange does.
enum class WireFormat { AsItIs, BFloat16 };
std::unique_ptr<Exchange> make_scatter_exchange(Bucket& bucket, Communicator& communicator, WireFormat format);
/// Brings every rank's share of the bucket's flat tensor to all.
std::unique_ptr<Exchange> make_gather_exchange(Bucket& bucket, Communicator& communicator);

}  // namespace backflow::distributed
