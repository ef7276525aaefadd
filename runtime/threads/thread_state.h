#pragma once

namespace backflow {

namespace autograd {
struct CustomCall;
}  // namespace autograd

class Branch;
class Engine;
class Execution;
class Generator;
class Node;
class SavedTensorHooks;

/// The settings of one thread that decide what its operations record. A backward pass carries those of the thread that
/// called it to every thread that runs its nodes, and parallel() to those that run its closures.
struct ThreadState {
  bool grad_mode = true;                                 ///< operations are recorded
  bool inference_mode = false;                           ///< new tensors are inference tensors
  bool in_recorded = false;                              ///< it is in the forward of an operation that is recorded
  bool in_arena = false;                                 ///< this thread runs a node in an arena of its pass
  Engine* engine = nullptr;                              ///< set by an EngineGuard
  const SavedTensorHooks* saved_tensor_hooks = nullptr;  ///< the innermost ones
  Generator* generator = nullptr;                        ///< set by a DefaultGeneratorGuard
  Execution* pass = nullptr;                             ///< the backward pass that this thread runs a node of
  Node* node = nullptr;                                  ///< that node
  const autograd::CustomCall* custom_call = nullptr;     ///< the backward of a custom function that it is in
  Branch* branch = nullptr;                              ///< the closure of parallel() that it works for
};

inline ThreadState& thread_state() {
  static constinit thread_local ThreadState state;
  return state;
}

/// Gives this thread the settings of another until the end of the scope.
class ThreadStateGuard {
 public:
  explicit ThreadStateGuard(const ThreadState& state) : previous_(thread_state()) { thread_state() = state; }
  ~ThreadStateGuard() { thread_state() = previous_; }
  ThreadStateGuard(const ThreadStateGuard&) = delete;
  ThreadStateGuard& operator=(const ThreadStateGuard&) = delete;

 private:
  ThreadState previous_;
};

}  // namespace backflow
