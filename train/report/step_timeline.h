#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace backflow::train {

/// What the threads of a rank did in one step, from trace.json.
struct StepTimeline {
  struct Slice {
    double start_us = 0;  ///< from the beginning of the step
    double us = 0;
    int depth = 0;  ///< number of slices of the thread around it
    std::string name;
    std::string kind;    ///< "forward", "backward", "task", "pass" or "span"
    std::string detail;  ///< shapes of the results, if any
  };
  struct Thread {
    std::string name;
    std::vector<Slice> slices;
  };
  double us = 0;  ///< how long the step took
  std::vector<Thread> threads;
  std::int64_t left_out = 0;  ///< short slices, of a step that has too many
};

/// The last complete step of a trace that a run has written; nothing without one, or when the file is not there.
/// Damaged lines are skipped. The 4,000 longest slices are kept.
std::optional<StepTimeline> read_timeline(const std::string& path);

}  // namespace backflow::train
