#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <backflow/runtime/trace/trace.h>
#include <backflow/train/cores/work_tree.h>

namespace backflow::train {

/// Which operator or node a thread was in, and when.
class Timeline {
 public:
  struct Interval {
    std::int64_t start;  ///< ns; it ends where the next one starts
    std::uint32_t label;
    double bytes_per_ns;  ///< that it reads and writes
  };
  struct Limits {
    double bytes_per_ns;  ///< of memory: nothing is faster
    double cached_bytes;  ///< an operator with no more bytes finds them in caches
  };

  /// Of the events of one thread. The innermost event that holds a time says what it belongs to.
  Timeline(std::vector<trace::Event> events, const Limits& limits);

  const std::vector<WorkLabel>& labels() const { return labels_; }
  /// Calls f(interval, ns) for every interval that overlaps [start, end), or the one that holds `start`.
  template <class F>
  void split(std::int64_t start, std::int64_t end, const F& f) const;

 private:
  std::size_t find(std::int64_t time) const;
  Interval interval_of(const trace::Event& event, std::int64_t start, const Limits& limits);
  std::uint32_t label_of(const trace::Event& event);

  std::vector<WorkLabel> labels_ = {{"outside of operators", ""}};
  std::vector<Interval> intervals_;  // by their starts; the first one before all events
};

template <class F>
void Timeline::split(std::int64_t start, std::int64_t end, const F& f) const {
  std::size_t i = find(start);
  if (end <= start) {
    f(intervals_[i], 0.0);
    return;
  }
  for (std::int64_t from = start; from < end; ++i) {
    const std::int64_t to = i + 1 < intervals_.size() && intervals_[i + 1].start < end ? intervals_[i + 1].start : end;
    if (to > from) {
      f(intervals_[i], static_cast<double>(to - from));
      from = to;
    }
  }
}

}  // namespace backflow::train
