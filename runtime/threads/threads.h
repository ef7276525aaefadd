#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

namespace backflow {

/// The number of computing threads of the process: the size of the pool that forward, backward and kernels share. At
/// first the number of cores that the process may use. Must not be changed while anything computes.
int get_num_threads();
/// Throws Error unless `threads` is in [1, 1024].
void set_num_threads(int threads);

/// A reference to a callable; valid as long as the callable.
template <class Signature>
class FunctionRef;
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
      FunctionRef(F&& f)  // NOLINT(google-explicit-constructor, bugprone-forwarding-reference-overload)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(args...);
        }) {}
  R operator()(Args... args) const { return call_(object_, args...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// Calls `body(i)` for every i in [0, chunks), on the pool, and returns when all are done. The first exception is
/// rethrown here. The caller computes too; while it waits it runs only chunks of this loop. Where a sum is cut, the
/// number of chunks must depend on shapes alone: that keeps results independent of the number of threads. See cuts.h.
void parallel_for(std::int64_t chunks, FunctionRef<void(std::int64_t)> body);

/// Calls `body` on this thread. While it waits for loops inside, the thread runs no work from outside.
void run_isolated(FunctionRef<void()> body);

/// Calls `body` on a new thread and waits for it: for a caller whose stack is nearly used up. The new thread is not of
/// the pool, whose threads may all be waiting like the caller; loops inside `body` run on it alone.
void run_on_fresh_stack(FunctionRef<void()> body);
/// False inside of run_on_fresh_stack.
bool may_use_pool();

/// The version of oneTBB that runs, as "2021.8".
std::string threading_version();

}  // namespace backflow
