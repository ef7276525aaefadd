#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <backflow/distributed/buckets/buckets.h>
#include <backflow/distributed/communicator.h>
#include <backflow/runtime/engine/completion.h>

namespace backflow::distributed {

/// What one rank sends for a bucket in one step, in bytes, if the collective calls take the fewest that they can: an
/// all-reduce of n bytes on P ranks 2 n (P - 1) / P, a reduce-scatter and an all-gather half of that each.
struct BucketTraffic {
  std::int64_t sent = 0;
  std::int64_t uncompressed = 0;  ///< the same for an all-reduce of the gradients as they are
};

/// Brings the contents of one bucket from all ranks to all, in one or several rounds of collective calls.
class Exchange {
 public:
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  virtual ~Exchange() = default;

  /// Completes what the first round sends. Runs on a thread of the engine, when all that is sent is there.
  virtual void prepare() = 0;
  virtual std::size_t rounds() const { return 1; }
  /// Starts the calls of a round and returns. `done` is called when they have ended.
  virtual void start(std::size_t round, std::int64_t tag, Completion done) = 0;
  /// Runs when the calls of a round have ended well, before the next round. On the communication thread.
  virtual void received(std::size_t round) = 0;
  virtual BucketTraffic traffic() const = 0;
};

/// The sum of the gradients as they are: one all-reduce in place.
std::unique_ptr<Exchange> make_plain_exchange(Bucket& bucket, Communicator& communicator);
/// Half of the bytes: each rank sends its gradients rounded to bfloat16. The parts are added in float32 in the order of
/// the ranks, the sum is rounded to bfloat16 once, and every rank gets that: a relative error of up to 2^-9 for each
/// addend and for the sum. For buckets of float32; needs one more tensor, of half the bucket's size.
std::unique_ptr<Exchange> make_bfloat16_exchange(Bucket& bucket, Communicator& communicator);

}  // namespace backflow::distributed
