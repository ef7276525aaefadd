#pragma once

#include <atomic>
#include <concepts>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include <backflow/runtime/threads/threads.h>

namespace backflow {

/// How work that is done elsewhere tells that it has ended: a call with no error, or with the one that it failed with.
/// Copies are one and the same: the first call counts, from whichever thread, and those after it do nothing.
class Completion {
 public:
  /// None.
  Completion() = default;
  /// `on_end(std::exception_ptr)` is called once at most, by whoever ends the work.
  template <std::invocable<std::exception_ptr> F>
  requires(!std::is_same_v<F, Completion>) Completion(F on_end)  // NOLINT(google-explicit-constructor)
      : state_(std::make_shared<Calls<F>>(std::move(on_end))) {}

  explicit operator bool() const { return state_ != nullptr; }

  void operator()(std::exception_ptr error) const {
    if (!state_->ended.test_and_set()) {
      state_->end(std::move(error));
    }
  }

 private:
  struct State {
    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    virtual ~State() = default;
    virtual void end(std::exception_ptr error) = 0;

    std::atomic_flag ended = ATOMIC_FLAG_INIT;
  };

  template <class F>
  struct Calls final : State {
    explicit Calls(F on_end) : on_end_(std::move(on_end)) {}
    void end(std::exception_ptr error) override { on_end_(std::move(error)); }

    F on_end_;
  };

  std::shared_ptr<State> state_;
};

/// Calls `start` with a completion, waits for its end and rethrows the error.
void start_and_wait(FunctionRef<void(Completion)> start);

}  // namespace backflow
