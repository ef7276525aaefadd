#pragma once

#include <cstdint>
#include <vector>

#include <backflow/train/cores/recorder.h>
#include <backflow/train/cores/timeline.h>
#include <backflow/train/cores/work_tree.h>

namespace backflow::train {

/// A step that was traced: when each mark was, and what the thread was in.
struct TracedStep {
  std::vector<std::int64_t> times;  ///< of its start, and of its marks
  Timeline timeline;
};

/// The tree of a step. `stretches`: the time of the stretch before each of its marks, in ns. `traced`: at least one
/// step of the same marks; they tell what a stretch belongs to, and how it is shared out where that are several things.
WorkTree build_tree(const Marks& step, const std::vector<double>& stretches, const std::vector<TracedStep>& traced);

}  // namespace backflow::train
