#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <backflow/runtime/engine/indices.h>
#include <backflow/runtime/engine/work_graph.h>

namespace backflow {

/// A cut of a WorkGraph into groups, each of which one thread runs. A group is worth handing to another thread: cheap
/// items join their neighbours, and linear chains stay together. Groups and their dependencies form an acyclic graph
/// again.
///
/// Items are taken depth first: a branch is followed to its end before the next one starts. Groups are consecutive
/// items of that order, so they can't wait for each other in a circle.
class Schedule {
 public:
  struct Group {
    std::vector<ItemIndex> items;        ///< ascending, which is an order in which they can run
    std::vector<GroupIndex> successors;  ///< the groups that wait for this one, each once
    std::uint32_t dependencies = 0;      ///< how many groups this one waits for
    float work = 0;                      ///< ns
    float remaining = 0;                 ///< ns from its start to the end of everything that waits for it
    bool is_async = false;               ///< its only item is done elsewhere
  };

  /// For so many threads.
  Schedule(const WorkGraph& graph, int threads);

  const IndexedVector<GroupIndex, Group>& groups() const { return groups_; }
  GroupIndex group_of(ItemIndex item) const { return group_of_[item]; }
  /// Of all groups, in ns.
  float work() const { return work_; }
  /// The work along the longest path through the groups, in ns: no number of threads is faster.
  float critical_path() const { return critical_path_; }
  /// Estimated ns on the threads, with what it costs to hand out the groups and to move data between cores.
  float time() const { return time_; }
  /// Estimated ns when one item runs after the other, each with all threads for itself.
  float time_in_turn() const { return time_in_turn_; }
  /// A lower bound of `time()`, before there are groups. No schedule of so many items with this much work is faster.
  /// `longest_alone` is the longest path when each item has all threads for itself.
  static float least_time(std::size_t items, float work, float longest_alone, int threads);
  /// Whether several threads are worth it. They have to be 5% faster; below that, noise would decide.
  static bool is_faster(float time, float time_in_turn) { return time < 0.95F * time_in_turn; }

 private:
  class Builder;

  IndexedVector<GroupIndex, Group> groups_;
  IndexedVector<ItemIndex, GroupIndex> group_of_;
  float work_ = 0;
  float critical_path_ = 0;
  float time_ = 0;
  float time_in_turn_ = 0;
};

}  // namespace backflow
