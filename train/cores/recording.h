#pragma once

#include <functional>
#include <string>
#include <vector>

#include <backflow/train/cores/work_tree.h>

namespace backflow::train {

struct RecordingOptions {
  std::vector<int> threads = {1};  ///< that the work is cut for: a recording for each
  int warm_up = 1;                 ///< steps for each, before the first that is recorded
  int repetitions = 9;             ///< steps that times are taken from
  double seconds = 0;  ///< ends the repetitions when all recordings took so long, but for the first three; 0: never
  double bytes_per_ns = 10;   ///< of memory, on one core: no stretch moves more
  double cached_bytes = 2e6;  ///< an operator whose tensors take no more together finds them in caches
};

struct Recording {
  int threads = 1;
  WorkTree tree;
  int repetitions = 0;
  /// What was odd, as a step that did other work the second time; empty if nothing was.
  std::string warning;
};

/// Runs `step` many times on this thread, which does all its work one task after the other, cut for 1 or more threads.
/// The time of each stretch is the median over the repetitions. The cuts take turns, so that a machine that becomes
/// slower for a while does so for all of them. A few more steps are traced, and tell which operator or node each
/// stretch belongs to.
///
/// Bytes are those of the operator or node (trace::Event::bytes), shared among its stretches in proportion to their
/// time. Work that no operator or node explains, as an update, counts as bound by memory.
std::vector<Recording> record_work(const std::function<void()>& step, const RecordingOptions& options);

}  // namespace backflow::train
