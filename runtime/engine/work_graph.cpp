#include <backflow/runtime/engine/work_graph.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace backflow {
namespace {

// In ns; docs/internals/engine.md has the measurements.
constexpr float kGrain = 20'000;  // of a group of cheap items
constexpr float kTail = 5'000;    // by which others may be held up so that cheap items need no group of their own
constexpr float kItemCost = 300;  // of an item whose tensors and node come from another core
constexpr float kGroupCost = 800;
constexpr float kStartCost = 12'000;  // of waking the other threads

constexpr std::uint32_t kNone = ~std::uint32_t{0};

}  // namespace

std::vector<float> WorkGraph::remaining() const {
  std::vector<float> time(size());
  for (auto i = static_cast<std::uint32_t>(size()); i-- > 0;) {
    for (const std::uint32_t next : successors(i)) {
      time[i] = std::max(time[i], time[next]);
    }
    time[i] += work[i];
  }
  return time;
}

std::uint64_t WorkGraph::hash() const {
  std::uint64_t h = size();
  const auto mix = [&h](std::uint64_t value) { h = (std::rotl(h, 5) ^ value) * 0x9E3779B97F4A7C15; };
  for (std::size_t i = 0; i < size(); ++i) {
    mix(std::bit_cast<std::uint32_t>(work[i]) | std::uint64_t{first_edge[i]} << 32);
  }
  for (const std::uint32_t edge : edges) {
    mix(edge);
  }
  return h;
}

/// Takes the items depth first and decides for each whether it joins the last group or starts another.
class Schedule::Builder {
 public:
  Builder(Schedule& schedule, const WorkGraph& graph, int threads)
      : schedule_(schedule),
        graph_(graph),
        remaining_(graph.remaining()),
        missing_(graph.dependencies),
        released_by_(graph.size(), kNone),
        ready_at_(graph.size(), 0),
        from_last_(graph.size()),
        deadline_(deadline(threads)) {}

  void build(int threads) {
    schedule_.group_of_.assign(graph_.size(), kNone);
    for (std::uint32_t i = 0; i < graph_.size(); ++i) {
      if (missing_[i] == 0) {
        released_.push_back(i);
      }
    }
    push_released();
    while (!ready_.empty()) {
      const std::uint32_t item = ready_.back();
      ready_.pop_back();
      waiting_for_last_ -= follows_last(item);
      if (!joins_last(item)) {
        open_group();
      }
      add(item);
    }
    close_group();
    connect();
    estimate(threads);
  }

 private:
  /// The time in which so many threads could be done, about.
  float deadline(int threads) const {
    const float total = std::accumulate(graph_.work.begin(), graph_.work.end(), 0.0F);
    const float longest = remaining_.empty() ? 0 : *std::max_element(remaining_.begin(), remaining_.end());
    return std::max(1.1F * longest, total / static_cast<float>(threads));
  }

  struct Edges {
    std::uint32_t group = kNone;
    std::uint32_t count = 0;
  };

  std::uint32_t last() const { return static_cast<std::uint32_t>(schedule_.groups_.size()) - 1; }
  bool follows_last(std::uint32_t item) const { return released_by_[item] != kNone && released_by_[item] == last(); }
  /// The edges that lead to it from the last group.
  std::uint32_t edges_from_last(std::uint32_t item) const {
    return from_last_[item].group == last() ? from_last_[item].count : 0;
  }

  bool joins_last(std::uint32_t item) const {
    if (schedule_.groups_.empty() || schedule_.groups_.back().is_async ||
        graph_.kinds[item] == WorkGraph::Kind::Async) {
      return false;
    }
    if (follows_last(item) && edges_from_last(item) == open_edges_ && ready_at_[item] <= start_) {
      return true;  // nobody else waits for the group, nor the item for anything else
    }
    // Whatever else waits for the group is held up by what joins it, and an item that does not wait for it is held up
    // by all that is in it.
    const Group& group = schedule_.groups_.back();
    const float work = graph_.work[item];
    if (follows_last(item)) {
      return cheap_ + work <= (waiting_for_last_ > 0 ? kTail : kGrain) && ready_at_[item] <= start_ + kTail;
    }
    const float end = std::max(start_, ready_at_[item]) + group.work + work;
    return group.work + work <= (waiting_for_last_ > 0 ? kTail : kGrain) && ready_at_[item] <= start_ + kTail &&
           end <= std::min(latest_end_, latest_end(item));
  }

  /// When the item must have ended so that all can be done by the deadline.
  float latest_end(std::uint32_t item) const { return deadline_ - (remaining_[item] - graph_.work[item]); }

  void open_group() {
    close_group();
    schedule_.groups_.emplace_back();
    start_ = 0;
    cheap_ = 0;
    latest_end_ = deadline_;
    open_edges_ = 0;
    waiting_for_last_ = 0;
  }

  void close_group() {
    if (schedule_.groups_.empty()) {
      return;
    }
    Group& group = schedule_.groups_.back();
    const float end = start_ + group.work;
    for (const std::uint32_t item : group.items) {
      for (const std::uint32_t next : graph_.successors(item)) {
        ready_at_[next] = std::max(ready_at_[next], end);
      }
    }
    std::sort(group.items.begin(), group.items.end());
  }

  void add(std::uint32_t item) {
    Group& group = schedule_.groups_.back();
    const float work = graph_.work[item];
    open_edges_ -= edges_from_last(item);
    group.items.push_back(item);
    group.work += work;
    group.is_async = graph_.kinds[item] == WorkGraph::Kind::Async;
    cheap_ = work > kGrain ? 0 : cheap_ + work;
    start_ = std::max(start_, ready_at_[item]);
    latest_end_ = std::min(latest_end_, latest_end(item));
    schedule_.group_of_[item] = last();
    for (const std::uint32_t next : graph_.successors(item)) {
      from_last_[next] = {last(), edges_from_last(next) + 1};
      ++open_edges_;
      if (--missing_[next] == 0) {
        released_by_[next] = last();
        released_.push_back(next);
      }
    }
    push_released();
  }

  /// The item with the least work behind it is taken first: what ends there, as a leaf or an update, is soon done.
  void push_released() {
    std::sort(released_.begin(), released_.end(), [this](std::uint32_t a, std::uint32_t b) {
      return remaining_[a] != remaining_[b] ? remaining_[a] > remaining_[b] : a > b;
    });
    for (const std::uint32_t item : released_) {
      waiting_for_last_ += follows_last(item);
      ready_.push_back(item);
    }
    released_.clear();
  }

  void connect() {
    std::vector<Group>& groups = schedule_.groups_;
    std::vector<std::uint32_t> last_to(groups.size(), kNone);  // the last group with an edge to it
    for (auto g = static_cast<std::uint32_t>(groups.size()); g-- > 0;) {
      Group& group = groups[g];
      for (const std::uint32_t item : group.items) {
        for (const std::uint32_t next : graph_.successors(item)) {
          const std::uint32_t to = schedule_.group_of_[next];
          if (to != g && last_to[to] != g) {
            last_to[to] = g;
            group.successors.push_back(to);
            ++groups[to].dependencies;
            group.remaining = std::max(group.remaining, groups[to].remaining);
          }
        }
      }
      group.remaining += group.work;
      schedule_.work_ += group.work;
      schedule_.critical_path_ = std::max(schedule_.critical_path_, group.remaining);
    }
  }

  void estimate(int threads) {
    std::vector<float> longest(graph_.size());  // by item: with all threads for itself
    float moved = 0;
    for (auto i = static_cast<std::uint32_t>(graph_.size()); i-- > 0;) {
      for (const std::uint32_t next : graph_.successors(i)) {
        longest[i] = std::max(longest[i], longest[next]);
        moved += schedule_.group_of_[next] != schedule_.group_of_[i] ? graph_.handover[i] : 0;
      }
      longest[i] += graph_.alone[i];
    }
    const auto n = static_cast<float>(threads);
    moved *= (n - 1) / n;  // the others are used where they were made
    schedule_.time_in_turn_ = std::accumulate(graph_.alone.begin(), graph_.alone.end(), 0.0F);
    const float longest_path = longest.empty() ? 0 : *std::max_element(longest.begin(), longest.end());
    schedule_.time_ = least_time(graph_.size(), schedule_.work_ + moved, longest_path, threads) +
                      kGroupCost * static_cast<float>(schedule_.groups_.size()) / n;
  }

  Schedule& schedule_;
  const WorkGraph& graph_;
  const std::vector<float> remaining_;      // by item
  std::vector<std::uint32_t> missing_;      // by item: dependencies that are in no group yet
  std::vector<std::uint32_t> released_by_;  // by item: the group of the last of its dependencies
  std::vector<float> ready_at_;             // by item: when the closed groups that it waits for have ended
  std::vector<Edges> from_last_;            // by item: the edges that lead to it from the last group
  const float deadline_;
  std::vector<std::uint32_t> ready_;
  std::vector<std::uint32_t> released_;
  // Of the last group:
  float start_ = 0;
  float latest_end_ = 0;
  float cheap_ = 0;                     // work of the cheap items since the last that is not
  std::uint32_t open_edges_ = 0;        // edges that lead out of it
  std::uint32_t waiting_for_last_ = 0;  // ready items that wait for nothing else
};

Schedule::Schedule(const WorkGraph& graph, int threads) { Builder(*this, graph, threads).build(threads); }

float Schedule::least_time(std::size_t items, float work, float longest_alone, int threads) {
  const float all = work + kItemCost * static_cast<float>(items);
  return std::max(longest_alone, all / static_cast<float>(threads)) + kStartCost;
}

}  // namespace backflow
