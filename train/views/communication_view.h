#pragma once

#include <cstddef>
#include <string>

#include <backflow/distributed/calls/communication_times.h>
#include <backflow/io/metrics.h>

namespace backflow::train {

/// How communication went, for people and programs: of a step of one rank, on average over the steps that were
/// recorded.
class CommunicationView {
 public:
  /// Collective: asks all ranks how long they waited. Of several ranks.
  CommunicationView(const distributed::CommunicationTimes& times, distributed::Communicator& world);

  /// The fields of the "communication" line of metrics.jsonl.
  io::MetricRecord record() const;
  /// Bytes, hidden and exposed time of all calls, and the slowest rank: three lines, without a line break at the end.
  std::string summary() const;
  /// A line for each bucket, under a title; at most `max_rows`, then the others in one.
  std::string table(std::size_t max_rows = kUsualRows) const;

  static constexpr std::size_t kUsualRows = 15;

 private:
  int ranks_;
  std::int64_t steps_;
  distributed::BucketTimes total_;
  std::vector<distributed::BucketTimes> buckets_;
  distributed::SlowestRank slowest_;
};

}  // namespace backflow::train
