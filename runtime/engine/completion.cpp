#include <backflow/runtime/engine/completion.h>

#include <future>

namespace backflow {

void start_and_wait(FunctionRef<void(Completion)> start) {
  // The completion owns the promise: this thread may go on while the other is still inside set_value().
  std::promise<void> promise;
  std::future<void> future = promise.get_future();
  start(Completion([promise = std::move(promise)](const std::exception_ptr& error) mutable {
    if (error) {
      promise.set_exception(error);
    } else {
      promise.set_value();
    }
  }));
  future.get();
}

}  // namespace backflow
