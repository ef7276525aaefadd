#pragma once

// Work that a thread has put off, to run it together with more of its kind. While a thread may defer, element-wise
// kernels of large tensors wait in a list (ops/kernels/elementwise/chain.h) until somebody wants a result.

#include <cstdint>

namespace backflow {

/// Results of fewer elements are never deferred: to put a kernel off costs 0.1 us.
inline constexpr std::int64_t kLeastDeferred = 16 * 1024;

class DeferredWork {
 public:
  /// Runs all of it. Throws Error when there is no memory for the results.
  virtual void run() = 0;

 protected:
  ~DeferredWork() = default;
};

namespace detail {

/// Of one thread; settings that travel with a pass do not bring it to another one.
struct Deferral {
  bool is_open = false;             ///< kernels may be deferred
  DeferredWork* pending = nullptr;  ///< null when nothing waits
};

inline Deferral& deferral() {
  static constinit thread_local Deferral of_thread;
  return of_thread;
}

}  // namespace detail

/// Whether results of so many elements may be deferred on this thread.
inline bool may_defer(std::int64_t elements) { return elements >= kLeastDeferred && detail::deferral().is_open; }

/// Runs what this thread has put off. To be called before another thread or a user's function sees a tensor, and
/// before memory is written that deferred work may have to read.
inline void run_deferred_work() {
  if (DeferredWork* const pending = detail::deferral().pending; pending != nullptr) [[unlikely]] {
    pending->run();
  }
}

/// Opens or closes the deferring of kernels on this thread until the end of the scope. What was put off before is run
/// first. A scope that opens ends with run_deferred_work(), which may throw, as a destructor may not.
class DeferralScope {
 public:
  enum class Mode { kDefers, kRunsAtOnce };

  explicit DeferralScope(Mode mode) : was_open_(detail::deferral().is_open) {
    run_deferred_work();
    detail::deferral().is_open = mode == Mode::kDefers;
  }
  ~DeferralScope() { detail::deferral().is_open = was_open_; }
  DeferralScope(const DeferralScope&) = delete;
  DeferralScope& operator=(const DeferralScope&) = delete;

 private:
  const bool was_open_;
};

/// For the time of a user's function, which may hand its tensors to other threads.
class NoDeferral : DeferralScope {
 public:
  NoDeferral() : DeferralScope(Mode::kRunsAtOnce) {}
};

}  // namespace backflow
