#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace backflow {

/// The work of a backward pass as one acyclic graph of items: the nodes of its plan in their order, then its tasks in
/// theirs. No edge leads to an item of a smaller number.
struct WorkGraph {
  enum class Kind : std::uint8_t {
    Node,
    Task,   ///< computes on a thread of the engine
    Async,  ///< is done elsewhere
  };

  std::vector<Kind> kinds;                  ///< by item
  std::vector<float> work;                  ///< by item: estimated ns on one thread
  std::vector<float> alone;                 ///< by item: the same when it has all threads for itself
  std::vector<float> handover;              ///< by item: ns that it costs if what waits for it runs on another thread
  std::vector<std::uint32_t> dependencies;  ///< by item: how many edges lead to it
  std::vector<std::uint32_t> first_edge;    ///< by item, and one more
  std::vector<std::uint32_t> edges;         ///< the items that wait for item i: [first_edge[i], first_edge[i + 1])

  std::size_t size() const { return kinds.size(); }
  std::span<const std::uint32_t> successors(std::uint32_t item) const {
    return {edges.data() + first_edge[item], edges.data() + first_edge[item + 1]};
  }
  /// The time from the start of each item to the end of everything that waits for it, in ns, with any number of
  /// threads.
  std::vector<float> remaining() const;

  friend bool operator==(const WorkGraph&, const WorkGraph&) = default;
  /// Equal for equal graphs.
  std::uint64_t hash() const;
};

/// A cut of a WorkGraph into groups, each of which one thread runs. A group is worth handing to another thread: cheap
/// items join their neighbours, and linear chains stay together. Groups and their dependencies form an acyclic graph
/// again.
///
/// Items are taken depth first: a branch is followed to its end before the next one starts. Groups are consecutive
/// items of that order, so they can't wait for each other in a circle.
class Schedule {
 public:
  struct Group {
    std::vector<std::uint32_t> items;       ///< ascending, which is an order in which they can run
    std::vector<std::uint32_t> successors;  ///< the groups that wait for this one, each once
    std::uint32_t dependencies = 0;         ///< how many groups this one waits for
    float work = 0;                         ///< ns
    float remaining = 0;                    ///< ns from its start to the end of everything that waits for it
    bool is_async = false;                  ///< its only item is done elsewhere
  };

  /// For so many threads.
  Schedule(const WorkGraph& graph, int threads);

  const std::vector<Group>& groups() const { return groups_; }
  /// By item.
  std::uint32_t group_of(std::uint32_t item) const { return group_of_[item]; }
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

  std::vector<Group> groups_;
  std::vector<std::uint32_t> group_of_;
  float work_ = 0;
  float critical_path_ = 0;
  float time_ = 0;
  float time_in_turn_ = 0;
};

}  // namespace backflow
