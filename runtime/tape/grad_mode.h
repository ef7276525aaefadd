#pragma once

#include <backflow/runtime/threads/thread_state.h>

namespace backflow {

/// Whether operations of this thread are recorded. True at the start of every thread; never in inference mode, whatever
/// `set_enabled` is given there.
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

/// For the forward of an operation that is recorded as a whole (or is not, when recording is off anyway): until the end
/// of the scope this thread records none of those inside of it, and records_around() says so.
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

/// Whether what this thread does is part of a recording or of a backward pass, be the operations themselves recorded or
/// not.
inline bool records_around() {
  return GradMode::is_enabled() || thread_state().in_recorded || thread_state().pass != nullptr;
}

/// For code that will never be differentiated: until the end of the scope this thread records nothing, and the tensors
/// it makes are inference tensors, which have no version counter and whose views are not tracked. These can't be saved
/// for a backward, be changed in place or require a gradient outside of inference mode; clone() gives a normal tensor.
/// Tensors made before stay normal, and so do views of them. `InferenceMode(false)` is normal mode with recording on.
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
