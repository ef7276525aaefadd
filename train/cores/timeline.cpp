#include <backflow/train/cores/timeline.h>

#include <algorithm>
#include <limits>

#include <backflow/runtime/base/error.h>

namespace backflow::train {
namespace {

using trace::Event;
using trace::Kind;

bool is_computation(const Event& event) { return event.kind == Kind::kOperator || event.kind == Kind::kNode; }

}  // namespace

Timeline::Timeline(std::vector<Event> events, const Limits& limits) {
  std::sort(events.begin(), events.end(),
            [](const Event& a, const Event& b) { return a.start != b.start ? a.start < b.start : a.end > b.end; });
  intervals_.push_back({std::numeric_limits<std::int64_t>::min(), 0, 0});
  std::vector<Interval> open = {intervals_.front()};  // the intervals of the events that hold a time, outermost first
  std::vector<std::int64_t> ends;
  const auto close_until = [&](std::int64_t time) {
    while (!ends.empty() && ends.back() <= time) {
      open.pop_back();
      intervals_.push_back({ends.back(), open.back().label, open.back().bytes_per_ns});
      ends.pop_back();
    }
  };
  for (const Event& event : events) {
    close_until(event.start);
    intervals_.push_back(interval_of(event, event.start, limits));
    open.push_back(intervals_.back());
    ends.push_back(event.end);
  }
  close_until(std::numeric_limits<std::int64_t>::max());
}

Timeline::Interval Timeline::interval_of(const Event& event, std::int64_t start, const Limits& limits) {
  double rate = 0;
  if (is_computation(event)) {
    const auto time = static_cast<double>(std::max<std::int64_t>(event.end - event.start, 1));
    rate = event.bytes > limits.cached_bytes ? std::min(event.bytes / time, limits.bytes_per_ns) : 0;
  } else if (event.kind != Kind::kPass) {
    rate = limits.bytes_per_ns;  // an update, or a loop over samples: nobody has counted its bytes
  }
  return {start, label_of(event), rate};
}

std::uint32_t Timeline::label_of(const Event& event) {
  WorkLabel label{std::string(event.name), ""};
  if (is_computation(event)) {
    label.shapes = to_text(event.in.text(), " -> ", event.out.text());
  } else if (event.kind == Kind::kTask) {
    label.name = label.name.substr(0, label.name.find(' '));  // "update 0.weight": all updates together
  }
  const auto found = std::find(labels_.begin(), labels_.end(), label);
  if (found == labels_.end()) {
    labels_.push_back(std::move(label));
    return static_cast<std::uint32_t>(labels_.size() - 1);
  }
  return static_cast<std::uint32_t>(found - labels_.begin());
}

std::size_t Timeline::find(std::int64_t time) const {
  const auto after = std::upper_bound(intervals_.begin(), intervals_.end(), time,
                                      [](std::int64_t t, const Interval& interval) { return t < interval.start; });
  return static_cast<std::size_t>(after - intervals_.begin()) - 1;
}

}  // namespace backflow::train
