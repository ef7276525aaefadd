#include <backflow/runtime/threads/threads.h>

#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/version.h>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/binding.h>
#include <backflow/runtime/threads/observed_work.h>
#include <backflow/runtime/threads/placement.h>
#include <backflow/runtime/threads/thread_state.h>

namespace backflow {
namespace {

/// Callers that find a place in the pool whatever else is in it. One more would wait until another has gone, which may
/// itself wait for something that this one holds.
constexpr int kCallers = 64;

/// One arena for all computing threads: n - 1 workers and those who call. `limit` lets it be wider than the machine, as
/// tests of determinism want it.
struct Pool {
  explicit Pool(int n)
      : threads(n),
        limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(n)),
        arena(n - 1 + kCallers, kCallers),
        workers(arena) {}
  int threads;
  tbb::global_control limit;
  tbb::task_arena arena;
  BoundWorkers workers;
};

/// Cores, not hyperthreads: two of these share the units that kernels keep busy.
int usable_cores() {
  const std::size_t cores = cores_of_cpus(Topology::machine(), cpus_of_this_thread()).size();
  return cores > 0 ? static_cast<int>(cores) : tbb::info::default_concurrency();
}

std::unique_ptr<Pool>& pool_slot() {
  // Never destroyed: threads of oneTBB may outlive static objects.
  static auto* slot = new std::unique_ptr<Pool>(std::make_unique<Pool>(usable_cores()));
  return *slot;
}

Pool& pool() { return *pool_slot(); }

thread_local bool on_fresh_stack = false;

}  // namespace

int get_num_threads() { return pool().threads; }

void set_num_threads(int threads) {
  check(threads >= 1 && threads <= 1024, "set_num_threads: ", threads, ": need a number from 1 to 1024");
  if (threads != pool().threads) {
    pool_slot() = nullptr;
    pool_slot() = std::make_unique<Pool>(threads);
  }
}

std::string threading_version() { return TBB_runtime_version(); }

void run_isolated(FunctionRef<void()> body) {
  if (on_fresh_stack) {
    body();
  } else {
    tbb::this_task_arena::isolate([&] { body(); });
  }
}

void run_on_fresh_stack(FunctionRef<void()> body) {
  std::exception_ptr error;
  std::thread([&] {
    on_fresh_stack = true;
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
  }).join();
  if (error) {
    std::rethrow_exception(error);
  }
}

bool may_use_pool() { return !on_fresh_stack; }

namespace {

void observed_loop(std::int64_t chunks, FunctionRef<void(std::int64_t)> body, WorkObserver& observer) {
  observer.begin_loop(chunks);
  for (std::int64_t i = 0; i < chunks; ++i) {
    observer.begin_task(static_cast<std::size_t>(i));
    body(i);
    observer.end_task();
  }
  observer.end();
}

}  // namespace

void parallel_for(std::int64_t chunks, FunctionRef<void(std::int64_t)> body) {
  if (chunks > 1) {
    if (WorkObserver* const observer = detail::work_observer(); observer != nullptr) [[unlikely]] {
      observed_loop(chunks, body, *observer);
      return;
    }
  }
  if (chunks <= 1 || pool().threads == 1 || on_fresh_stack) {
    for (std::int64_t i = 0; i < chunks; ++i) {
      body(i);
    }
    return;
  }
  const auto loop = [&] {
    tbb::this_task_arena::isolate([&] {
      tbb::parallel_for(
          std::int64_t{0}, chunks, [&](std::int64_t i) { body(i); }, tbb::simple_partitioner());
    });
  };
  if (thread_state().in_arena) {
    loop();  // its threads are here already
  } else {
    pool().arena.execute(loop);
  }
}

}  // namespace backflow
