#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace backflow::train {

/// What work belongs to: an operator or a node of a backward pass on tensors of certain shapes, or what surrounds them.
struct WorkLabel {
  std::string name;    ///< "linear", "ConvolutionBackward0", "update"
  std::string shapes;  ///< "f32[128, 784], f32[1024, 784] -> f32[128, 1024]"; empty if there are none

  friend bool operator==(const WorkLabel&, const WorkLabel&) = default;
};

struct WorkGroup;

/// A stretch that one core does, or a group that cores share.
struct WorkPart {
  double nanoseconds = 0;   ///< of a stretch, on a core that has memory for itself
  double bytes_per_ns = 0;  ///< that a stretch moves from and to memory
  std::uint32_t label = 0;  ///< in WorkTree::labels
  std::unique_ptr<WorkGroup> group = nullptr;
};

/// Parts, one after the other.
struct WorkTask {
  std::vector<WorkPart> parts;
};

/// Tasks of a loop, which can all run at the same time, or of a graph.
struct WorkGroup {
  bool is_graph = false;
  std::vector<WorkTask> tasks;
  /// Of a graph: the tasks that wait for each one. They have higher numbers.
  std::vector<std::vector<std::uint32_t>> successors = {};
};

/// The work of a step.
struct WorkTree {
  std::vector<WorkLabel> labels;
  WorkTask root;
};

/// The time of all stretches below, in ns.
double work_of(const WorkTask& task);

}  // namespace backflow::train
