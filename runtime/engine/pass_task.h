#pragma once

#include <functional>
#include <string>
#include <vector>

#include <backflow/runtime/engine/completion.h>
#include <backflow/runtime/engine/indices.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

/// Work that belongs to a backward pass beside its nodes. It starts when the gradients of some leaves are complete and
/// certain other tasks have ended; other nodes may still run. The pass ends after all its tasks. Examples: the
/// all-reduce of a bucket of gradients, the update of a parameter.
///
/// A task has either `start`, when its work is done elsewhere, or `run`. Neither is called when the pass, or a task
/// that this one waits for, has failed.
struct PassTask {
  /// The leaves whose gradients the task waits for; those that the pass does not reach are not waited for.
  std::vector<Tensor> leaves = {};
  /// Called on a thread of the engine, which it must not block: it hands the work over and returns.
  std::function<void(Completion done)> start = {};
  /// Does the work, on a thread of the engine. Recording is as in the pass.
  std::function<void()> run = {};
  /// Tasks that this one waits for, all before it in the list of the pass.
  std::vector<TaskIndex> after = {};
  /// For pictures, traces and messages.
  std::string name = {};
  /// Estimated time of `run` on one thread, in ns.
  float work = 0;
};

}  // namespace backflow
