#include <backflow/runtime/engine/schedule.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include <backflow/runtime/engine/longest_path.h>

namespace backflow {
namespace {

// In ns; docs/internals/engine.md has the measurements.
constexpr float kGrain = 20'000;  // of a group of cheap items
constexpr float kTail = 5'000;    // by which others may be held up so that cheap items need no group of their own
constexpr float kItemCost = 300;  // of an item whose tensors and node come from another core
constexpr float kGroupCost = 800;
constexpr float kStartCost = 12'000;  // of waking the other threads

}  // namespace

/// Takes the items depth first and decides for each whether it joins the last group or starts another.
class Schedule::Builder {
 public:
  Builder(Schedule& schedule, const WorkGraph& graph, int threads)
      : schedule_(schedule),
        graph_(graph),
        remaining_(graph.remaining()),
        missing_(graph.dependencies),
        released_by_(graph.size()),
        ready_at_(graph.size(), 0),
        from_last_(graph.size()),
        deadline_(deadline(threads)) {}

  void build(int threads) {
    schedule_.group_of_.assign(graph_.size(), GroupIndex());
    for (const ItemIndex i : graph_.kinds.indices()) {
      if (missing_[i] == 0) {
        released_.push_back(i);
      }
    }
    push_released();
    while (!ready_.empty()) {
      const ItemIndex item = ready_.back();
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
    return std::max(1.1F * longest(remaining_), total / static_cast<float>(threads));
  }

  /// Of those that lead to one item: how many come from a group.
  struct EdgesFrom {
    GroupIndex group = {};
    std::uint32_t count = 0;
  };

  GroupIndex last() const { return GroupIndex(schedule_.groups_.size() - 1); }
  bool follows_last(ItemIndex item) const { return released_by_[item].is_valid() && released_by_[item] == last(); }
  /// The edges that lead to it from the last group.
  std::uint32_t edges_from_last(ItemIndex item) const {
    return from_last_[item].group == last() ? from_last_[item].count : 0;
  }

  bool joins_last(ItemIndex item) const {
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
  float latest_end(ItemIndex item) const { return deadline_ - (remaining_[item] - graph_.work[item]); }

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
    for (const ItemIndex item : group.items) {
      for (const ItemIndex next : graph_.successors(item)) {
        ready_at_[next] = std::max(ready_at_[next], end);
      }
    }
    std::sort(group.items.begin(), group.items.end());
  }

  void add(ItemIndex item) {
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
    for (const ItemIndex next : graph_.successors(item)) {
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
    std::sort(released_.begin(), released_.end(), [this](ItemIndex a, ItemIndex b) {
      return remaining_[a] != remaining_[b] ? remaining_[a] > remaining_[b] : a > b;
    });
    for (const ItemIndex item : released_) {
      waiting_for_last_ += follows_last(item);
      ready_.push_back(item);
    }
    released_.clear();
  }

  void connect() {
    IndexedVector<GroupIndex, Group>& groups = schedule_.groups_;
    IndexedVector<GroupIndex, GroupIndex> last_to(groups.size());  // the last group with an edge to it
    for (const GroupIndex g : groups.indices()) {
      for (const ItemIndex item : groups[g].items) {
        for (const ItemIndex next : graph_.successors(item)) {
          const GroupIndex to = schedule_.group_of_[next];
          if (to != g && last_to[to] != g) {
            last_to[to] = g;
            groups[g].successors.push_back(to);
            ++groups[to].dependencies;
          }
        }
      }
      schedule_.work_ += groups[g].work;
    }
    const auto remaining = path_lengths<GroupIndex>(
        groups.size(), [&](GroupIndex g) { return groups[g].work; },
        [&](GroupIndex g, const auto& f) {
          std::for_each(groups[g].successors.begin(), groups[g].successors.end(), f);
        });
    for (const GroupIndex g : groups.indices()) {
      groups[g].remaining = remaining[g];
    }
    schedule_.critical_path_ = longest(remaining);
  }

  void estimate(int threads) {
    float moved = 0;
    for (const ItemIndex i : graph_.kinds.indices()) {
      for (const ItemIndex next : graph_.successors(i)) {
        moved += schedule_.group_of_[next] != schedule_.group_of_[i] ? graph_.handover[i] : 0;
      }
    }
    const auto n = static_cast<float>(threads);
    moved *= (n - 1) / n;  // the others are used where they were made
    schedule_.time_in_turn_ = std::accumulate(graph_.alone.begin(), graph_.alone.end(), 0.0F);
    const auto alone = path_lengths<ItemIndex>(
        graph_.size(), [this](ItemIndex i) { return graph_.alone[i]; },
        [this](ItemIndex i, const auto& f) { graph_.for_successors(i, f); });
    schedule_.time_ = least_time(graph_.size(), schedule_.work_ + moved, longest(alone), threads) +
                      kGroupCost * static_cast<float>(schedule_.groups_.size()) / n;
  }

  Schedule& schedule_;
  const WorkGraph& graph_;
  const IndexedVector<ItemIndex, float> remaining_;
  IndexedVector<ItemIndex, std::uint32_t> missing_;   // dependencies that are in no group yet
  IndexedVector<ItemIndex, GroupIndex> released_by_;  // the group of the last of its dependencies
  IndexedVector<ItemIndex, float> ready_at_;          // when the closed groups that it waits for have ended
  IndexedVector<ItemIndex, EdgesFrom> from_last_;     // the edges that lead to it from the last group
  const float deadline_;
  std::vector<ItemIndex> ready_;
  std::vector<ItemIndex> released_;
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
