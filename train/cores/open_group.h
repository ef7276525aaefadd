#pragma once

#include <cstddef>
#include <cstdint>
#include <queue>
#include <utility>
#include <vector>

#include <backflow/train/cores/work_tree.h>

namespace backflow::train {

inline constexpr int kNoGroup = -1;

/// A loop or graph of the simulation that has been started and has not ended.
struct OpenGroup {
  const WorkGroup* group = nullptr;
  int parent = kNoGroup;  ///< the group that the task which started it is of
  std::size_t owner = 0;  ///< the core that started it
  std::uint32_t label = 0;
  std::size_t unfinished = 0;
  int helpers = 0;  ///< tasks that other cores have taken

  void start(const WorkGroup& g);
  /// Tasks that can run and that nobody has.
  std::size_t available() const { return group->is_graph ? ready_.size() : group->tasks.size() - next_; }
  /// The number of one of these, which the caller then has: of a graph the one with the longest path behind it.
  std::size_t take();
  /// That task has ended.
  void finish(std::size_t task);

 private:
  void make_ready(std::size_t task) { ready_.emplace(remaining_[task], -static_cast<std::ptrdiff_t>(task)); }

  std::size_t next_ = 0;  // of a loop: the first task that nobody has
  // Of a graph:
  std::priority_queue<std::pair<double, std::ptrdiff_t>> ready_;  // by what remains, then the first
  std::vector<double> remaining_;       // ns from the start of each task to the end of all that waits for it
  std::vector<std::uint32_t> missing_;  // how many tasks each one waits for
};

}  // namespace backflow::train
