#pragma once

#include <exception>
#include <functional>
#include <vector>

#include <backflow/runtime/tensor.h>

namespace backflow {

/// Tells the engine that an AsyncTask is done, or failed with `error`. May be called from any thread, exactly once.
using Completion = std::function<void(std::exception_ptr error)>;

/// Work on another thread that belongs to a backward pass: it starts when the gradients of some leaves are complete and
/// the pass ends only when it is done. Sending a bucket of gradients to the other ranks is one.
struct AsyncTask {
  /// The leaves whose gradients the task waits for; those that the pass does not reach are not waited for.
  std::vector<Tensor> leaves;
  /// Called once, on a thread of the engine, which it must not block: it hands the work over and returns. When the pass
  /// fails before the gradients are complete it is never called.
  std::function<void(Completion done)> start;
};

}  // namespace backflow
