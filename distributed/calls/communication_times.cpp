#include <backflow/distributed/calls/communication_times.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <sstream>

#include <backflow/distributed/calls/call_slices.h>
#include <backflow/distributed/calls/own_place_internal.h>
#include <backflow/runtime/trace/bucket_number.h>

namespace backflow::distributed {
namespace {

using trace::Event;
using trace::Kind;

struct Interval {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// Sorted, and without overlaps.
std::vector<Interval> united(std::vector<Interval> all) {
  std::sort(all.begin(), all.end(), [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  std::vector<Interval> out;
  for (const Interval& next : all) {
    if (!out.empty() && next.begin <= out.back().end) {
      out.back().end = std::max(out.back().end, next.end);
    } else {
      out.push_back(next);
    }
  }
  return out;
}

/// `from` without what is in `holes`; both are sorted and without overlaps.
std::vector<Interval> without(const std::vector<Interval>& from, const std::vector<Interval>& holes) {
  std::vector<Interval> out;
  auto hole = holes.begin();
  for (Interval rest : from) {
    while (hole != holes.end() && hole->end <= rest.begin) {
      ++hole;
    }
    for (auto cut = hole; cut != holes.end() && cut->begin < rest.end; ++cut) {
      if (cut->begin > rest.begin) {
        out.push_back({rest.begin, cut->begin});
      }
      rest.begin = std::max(rest.begin, cut->end);
    }
    if (rest.begin < rest.end) {
      out.push_back(rest);
    }
  }
  return out;
}

/// How much of [begin, end) is in `all`, which is sorted and without overlaps.
std::int64_t covered(const std::vector<Interval>& all, std::int64_t begin, std::int64_t end) {
  std::int64_t sum = 0;
  auto next = std::partition_point(all.begin(), all.end(), [&](const Interval& one) { return one.end <= begin; });
  for (; next != all.end() && next->begin < end; ++next) {
    sum += std::min(end, next->end) - std::max(begin, next->begin);
  }
  return sum;
}

bool is_part_of_call(const Event& event) {
  return event.kind == Kind::kSpan &&
         (event.name == call_slices::kStart || event.name == call_slices::kWait || event.name == call_slices::kMove);
}

bool makes_calls(const trace::ThreadEvents& thread) {
  return std::any_of(thread.events.begin(), thread.events.end(), is_part_of_call);
}

/// When a thread of the program computes.
std::vector<Interval> computing(const trace::ThreadEvents& thread) {
  std::vector<Interval> busy;
  std::vector<Interval> blocked;
  for (const Event& event : thread.events) {
    const bool is_work = event.kind == Kind::kOperator || event.kind == Kind::kNode || event.kind == Kind::kTask;
    if (is_work && !event.nested) {
      busy.push_back({event.start, event.end});
    } else if (event.kind == Kind::kSpan && event.name == call_slices::kBlocked) {
      blocked.push_back({event.start, event.end});
    }
  }
  return without(united(std::move(busy)), united(std::move(blocked)));
}

BucketTimes divided(BucketTimes sum, std::int64_t steps) {
  const auto n = static_cast<double>(steps);
  sum.calls /= n;
  sum.sent_bytes /= n;
  sum.start_ns /= n;
  sum.wait_ns /= n;
  sum.move_ns /= n;
  sum.hidden_ns /= n;
  return sum;
}

/// Where the time of a slice goes.
double& part_of(BucketTimes& sum, const Event& event) {
  if (event.name == call_slices::kWait) {
    return sum.wait_ns;
  }
  return event.name == call_slices::kStart ? sum.start_ns : sum.move_ns;
}

}  // namespace

BucketTimes& operator+=(BucketTimes& sum, const BucketTimes& x) {
  sum.calls += x.calls;
  sum.sent_bytes += x.sent_bytes;
  sum.start_ns += x.start_ns;
  sum.wait_ns += x.wait_ns;
  sum.move_ns += x.move_ns;
  sum.hidden_ns += x.hidden_ns;
  return sum;
}

void CommunicationTimes::add_step(std::span<const trace::ThreadEvents> threads) {
  ++steps_;
  std::vector<Interval> busy;
  for (const trace::ThreadEvents& thread : threads) {
    if (!makes_calls(thread)) {
      const std::vector<Interval> own = computing(thread);
      busy.insert(busy.end(), own.begin(), own.end());
    }
  }
  busy = united(std::move(busy));
  for (const trace::ThreadEvents& thread : threads) {
    for (const Event& event : thread.events) {
      if (!is_part_of_call(event)) {
        continue;
      }
      BucketTimes& sum = sums_[event.node];
      part_of(sum, event) += static_cast<double>(event.end - event.start);
      sum.hidden_ns += static_cast<double>(covered(busy, event.start, event.end));
      sum.sent_bytes += event.bytes;
      sum.calls += event.name == call_slices::kStart ? 1 : 0;
    }
  }
}

std::vector<BucketTimes> CommunicationTimes::buckets() const {
  std::vector<BucketTimes> all;
  for (const auto& [number, sum] : sums_) {
    all.push_back(divided(sum, steps_));
    if (number != trace::kNoNode) {
      const auto own = trace::BucketNumber::from(number);
      all.back().bucket = own.bucket;
      all.back().model = own.model;
    }
  }
  return all;
}

BucketTimes CommunicationTimes::total() const {
  BucketTimes all;
  for (const auto& [number, sum] : sums_) {
    all += sum;
  }
  return steps_ > 0 ? divided(all, steps_) : all;
}

std::optional<SlowestRank> find_slowest_rank(Communicator& communicator, double wait_ns) {
  if (communicator.size() == 1) {
    return std::nullopt;
  }
  const std::vector<std::string> texts = communicator.all_gather(to_text(std::llround(wait_ns), ' ', host_name()));
  SlowestRank slowest;
  double sum = 0;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    std::istringstream in(texts[rank]);
    double waited = 0;
    std::string host;
    in >> waited >> host;
    sum += waited;
    if (rank == 0 || waited < slowest.wait_ns) {
      slowest = {static_cast<int>(rank), host, waited};
    }
  }
  slowest.others_wait_ns = (sum - slowest.wait_ns) / static_cast<double>(texts.size() - 1);
  return slowest;
}

}  // namespace backflow::distributed
