#pragma once

#include <cstdint>
#include <vector>

#include <backflow/train/cores/machine.h>
#include <backflow/train/cores/work_tree.h>

namespace backflow::train {

/// Time of cores that did no useful work, in ns: cores that wait count each.
struct LostTime {
  double serial = 0;     ///< while one core did what nobody can share
  double idle = 0;       ///< while a loop or graph had fewer tasks left than cores
  double overhead = 0;   ///< starting and joining loops, handing over tasks
  double bandwidth = 0;  ///< by which memory held up those that computed

  LostTime& operator+=(const LostTime& other);
  double sum() const { return serial + idle + overhead + bandwidth; }
};

/// What P cores would do with a step.
struct Prediction {
  int threads = 1;
  double nanoseconds = 0;
  LostTime lost;
  std::vector<LostTime> lost_of;  ///< the same for each label: that of who computed meanwhile
};

/// Simulates `threads` cores that share the tree as the pool of threads.h and the flow engine do:
///
/// - Idle cores help with the tasks of loops, and with tasks of graphs whose predecessors have ended; of these the one
///   with the longest path behind it goes first.
/// - A core that started a loop or graph works on it, and then waits for its end; while it waits it helps with what was
///   started inside of it, and with nothing else.
/// - A helper comes after Machine::start(), a loop that was helped with is joined in Machine::join(), a task that
///   becomes ready reaches an idle core after Machine::handover, and every task costs Machine::task or
///   graph_task.
/// - Stretches that want more of the memory than Machine::total_bandwidth() get fair shares of it: none less than
///   another unless it wants less.
Prediction predict(const WorkTree& tree, int threads, const Machine& machine);

}  // namespace backflow::train
