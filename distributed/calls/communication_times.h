#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::distributed {

/// What the collective calls of one bucket took in a step, on average over some steps.
///
/// A call is in flight on this rank from the time when the program wants it, or when the call before it has ended, to
/// the time when the sums are where gradients are. Calls are made one after the other, so their times in flight do not
/// overlap, and can be added. Each is cut in two ways:
///
///   in flight = start + wait + move
///             = hidden + exposed
///
/// start: the communication thread has not begun with it; wait: for the last rank to arrive at the call; move: the
/// rest, in which is copied, summed and sent. hidden: some thread of this rank runs a node, a task or an operator
/// meanwhile; exposed: none does, so the pass waits for communication and nothing else.
struct BucketTimes {
  static constexpr std::int64_t kNone = -1;

  std::int64_t bucket = kNone;  ///< kNone: calls of no bucket, as the sum of the losses
  std::int64_t model = 0;       ///< that the bucket is of, see ReductionTag
  double calls = 0;
  double sent_bytes = 0;  ///< what this rank sends at least, see BucketTraffic
  double start_ns = 0;
  double wait_ns = 0;
  double move_ns = 0;
  double hidden_ns = 0;

  double in_flight_ns() const { return start_ns + wait_ns + move_ns; }
  double exposed_ns() const { return in_flight_ns() - hidden_ns; }
};

BucketTimes& operator+=(BucketTimes& sum, const BucketTimes& x);

/// Adds up what a trace tells of the collective calls of some steps on this rank.
///
///   trace::start();
///   CommunicationTimes times;
///   for (each step) {
///     const std::int64_t start = trace::now();
///     ...
///     times.add_step(trace::collect(start));
///   }
///   trace::stop();
class CommunicationTimes {
 public:
  /// `threads`: what was recorded of a step, in which no call is under way any more.
  void add_step(std::span<const trace::ThreadEvents> threads);

  std::int64_t steps() const { return steps_; }
  /// By model and bucket, those of no bucket last. Empty without calls.
  std::vector<BucketTimes> buckets() const;
  /// The sum of these.
  BucketTimes total() const;

 private:
  std::int64_t steps_ = 0;
  std::map<std::uint32_t, BucketTimes> sums_;  ///< by Event::node
};

/// The rank for which the others waited longest: that which itself waited least, since the last one to arrive at a call
/// waits for nobody.
struct SlowestRank {
  int rank = 0;
  std::string host;
  double wait_ns = 0;         ///< how long it waited for others, in a step
  double others_wait_ns = 0;  ///< how long the others waited, on average over them
};

/// `wait_ns`: how long this rank waited in a step. Nothing in a world of one. Collective.
std::optional<SlowestRank> find_slowest_rank(Communicator& communicator, double wait_ns);

}  // namespace backflow::distributed
