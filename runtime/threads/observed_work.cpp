#include <backflow/runtime/threads/observed_work.h>

#include <backflow/runtime/base/error.h>

namespace backflow {
namespace {

constinit thread_local WorkObserver* current = nullptr;
constinit thread_local int current_threads = 0;

}  // namespace

WorkObserver* detail::work_observer() { return current; }

int detail::observed_threads() { return current_threads; }

ObservedWork::ObservedWork(WorkObserver& observer, int threads)
    : previous_(current), previous_threads_(current_threads) {
  check(threads >= 1 && threads <= 1024, "ObservedWork: ", threads, ": need a number from 1 to 1024");
  current = &observer;
  current_threads = threads;
}

ObservedWork::~ObservedWork() {
  current = previous_;
  current_threads = previous_threads_;
}

}  // namespace backflow
