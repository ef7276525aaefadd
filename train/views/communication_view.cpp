#include <backflow/train/views/communication_view.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include <backflow/train/formatted.h>

namespace backflow::train {
namespace {

using distributed::BucketTimes;

constexpr double kMillisecond = 1e6;  // ns
constexpr double kMegabyte = 1e6;

std::string name_of(const BucketTimes& times) {
  if (times.bucket == BucketTimes::kNone) {
    return "other";
  }
  return to_text(times.model == 0 ? "" : to_text("model.", times.model, '.'), "bucket.", times.bucket);
}

void append_times(io::MetricRecord& record, const std::string& prefix, const BucketTimes& times) {
  record.emplace_back(prefix + "calls", times.calls);
  record.emplace_back(prefix + "sent_bytes", static_cast<std::int64_t>(std::llround(times.sent_bytes)));
  record.emplace_back(prefix + "start_ms", times.start_ns / kMillisecond);
  record.emplace_back(prefix + "wait_ms", times.wait_ns / kMillisecond);
  record.emplace_back(prefix + "move_ms", times.move_ns / kMillisecond);
  record.emplace_back(prefix + "hidden_ms", times.hidden_ns / kMillisecond);
  record.emplace_back(prefix + "exposed_ms", times.exposed_ns() / kMillisecond);
}

std::string line(const std::string& name, const BucketTimes& times) {
  std::string text = formatted("%-12s %10.3f", name.c_str(), times.sent_bytes / kMegabyte);
  for (const double ns : {times.start_ns, times.wait_ns, times.move_ns, times.hidden_ns, times.exposed_ns()}) {
    text += formatted(" %10.3f", ns / kMillisecond);
  }
  return text + "\n";
}

std::string title_of(const BucketTimes& times) {
  if (times.bucket == BucketTimes::kNone) {
    return "other calls";
  }
  return to_text("bucket ", times.model == 0 ? "" : to_text(times.model, '/'), times.bucket);
}

}  // namespace

CommunicationView::CommunicationView(const distributed::CommunicationTimes& times, distributed::Communicator& world)
    : ranks_(world.size()),
      steps_(times.steps()),
      total_(times.total()),
      buckets_(times.buckets()),
      slowest_(distributed::find_slowest_rank(world, total_.wait_ns).value_or(distributed::SlowestRank())) {}

io::MetricRecord CommunicationView::record() const {
  io::MetricRecord record = {{"steps", steps_}, {"ranks", std::int64_t{ranks_}}};
  append_times(record, "", total_);
  record.emplace_back("slowest_rank", std::int64_t{slowest_.rank});
  record.emplace_back("slowest_rank_host", slowest_.host);
  record.emplace_back("slowest_rank_wait_ms", slowest_.wait_ns / kMillisecond);
  record.emplace_back("other_ranks_wait_ms", slowest_.others_wait_ns / kMillisecond);
  for (const BucketTimes& times : buckets_) {
    append_times(record, name_of(times) + ".", times);
  }
  return record;
}

std::string CommunicationView::summary() const {
  return formatted("communication of a step: %.3f MB sent, %.3f ms in flight,\n", total_.sent_bytes / kMegabyte,
                   total_.in_flight_ns() / kMillisecond) +
         formatted("  %.3f ms hidden behind computing, %.3f ms exposed\n", total_.hidden_ns / kMillisecond,
                   total_.exposed_ns() / kMillisecond) +
         formatted("slowest: rank %d on %s, waits %.3f ms a step for others, they %.3f ms", slowest_.rank,
                   slowest_.host.c_str(), slowest_.wait_ns / kMillisecond, slowest_.others_wait_ns / kMillisecond);
}

std::string CommunicationView::table(std::size_t max_rows) const {
  std::string text = formatted("%-12s %10s %10s %10s %10s %10s %10s\n", "a step", "MB sent", "start ms", "wait ms",
                               "move ms", "hidden ms", "exposed ms");
  const std::size_t shown = std::min(max_rows, buckets_.size());
  const std::span<const BucketTimes> all(buckets_);
  for (const BucketTimes& times : all.first(shown)) {
    text += line(title_of(times), times);
  }
  if (shown < all.size()) {
    const std::span<const BucketTimes> rest = all.subspan(shown);
    text += line(to_text(rest.size(), " others"),
                 std::accumulate(rest.begin(), rest.end(), BucketTimes(),
                                 [](BucketTimes sum, const BucketTimes& x) { return sum += x; }));
  }
  return text;
}

}  // namespace backflow::train
