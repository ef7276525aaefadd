#pragma once

#include <backflow/runtime/threads/thread_state.h>

namespace backflow {

/// Whether operations of this thread are recorded. True at the start of every thread; always false in inference mode.
class GradMode {
 public:
  static bool is_enabled() { return thread_state().grad_mode && !thread_state().inference_mode; }
  static void set_enabled(bool enabled) { thread_state().grad_mode = enabled; }
};

/// Sets the recording of this thread until the end of the scope.
class AutoGradMode {
 public:
  explicit AutoGradMode(bool enabled) : previous_(thread_state().grad_mode) { GradMode::set_enabled(enabled); }
  ~AutoGradMode() { GradMode::set_enabled(previous_); }
  AutoGradMode(const AutoGradMode&) = delete;
  AutoGradMode& operator=(const AutoGradMode&) = delete;

 private:
  bool previous_;
};

/// Records nothing on this thread until the end of the scope.
class NoGradGuard : public AutoGradMode {
 public:
  NoGradGuard() : AutoGradMode(false) {}
};

/// For the forward of an operation that is recorded as one node. Until the end of the scope this thread records none of
/// the operations inside, and records_around() is true if the operation itself is recorded.
class RecordedForward : public AutoGradMode {
 public:
  explicit RecordedForward(bool is_recorded) : AutoGradMode(false), outer_(thread_state().in_recorded) {
    thread_state().in_recorded = outer_ || is_recorded;
  }
  ~RecordedForward() { thread_state().in_recorded = outer_; }
  RecordedForward(const RecordedForward&) = delete;
  RecordedForward& operator=(const RecordedForward&) = delete;

 private:
  bool outer_;
};

/// Whether this thread is recording, inside of an operation that is recorded as one node, or inside of a backward pass.
inline bool records_around() {
  return GradMode::is_enabled() || thread_state().in_recorded || thread_state().pass != nullptr;
}

/// For code that will never be differentiated. Until the end of the scope this thread records nothing, and makes
/// inference tensors. These have no version counter, and their views are not tracked. Outside of inference mode these
/// can't be saved for a backward, changed in place, or require a gradient; clone() returns a normal tensor. Tensors
/// made before stay normal, and so do views of them. `InferenceMode(false)` is normal mode with recording on.
class InferenceMode {
 public:
  explicit InferenceMode(bool enabled = true) : previous_(thread_state()) {
    thread_state().inference_mode = enabled;
    thread_state().grad_mode = !enabled;
  }
  ~InferenceMode() {
    thread_state().inference_mode = previous_.inference_mode;
    thread_state().grad_mode = previous_.grad_mode;
  }
  InferenceMode(const InferenceMode&) = delete;
  InferenceMode& operator=(const InferenceMode&) = delete;

  static bool is_enabled() { return thread_state().inference_mode; }

 private:
  ThreadState previous_;
};

}  // namespace backflow
