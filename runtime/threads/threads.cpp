#include <backflow/runtime/threads/threads.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string_view>
#include <thread>

#include <pthread.h>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/version.h>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/deferred_work.h>
#include <backflow/runtime/threads/observed_work.h>
#include <backflow/runtime/threads/placement.h>
#include <backflow/runtime/threads/pool.h>
#include <backflow/runtime/threads/team.h>
#include <backflow/runtime/threads/thread_state.h>

namespace backflow {
namespace {

double spin = 50;  // us
// In a child process that was forked once there were helpers: it has none of oneTBB's threads, and cannot start others.
bool lost_workers = false;

int computing_of(int threads) {
  const char* const oversubscribe = std::getenv("BACKFLOW_OVERSUBSCRIBE");
  const bool all = oversubscribe != nullptr && std::string_view(oversubscribe) == "1";
  return all ? threads : std::min(threads, tbb::info::default_concurrency());
}

/// All computing threads: those who call, and workers. `limit` lets these be more than the cores.
struct Pool {
  explicit Pool(int n)
      : threads(n),
        computing(computing_of(n)),
        limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(computing)),
        team(computing, spin) {}
  int threads;
  int computing;  ///< at a time
  tbb::global_control limit;
  Team team;
};

/// Cores, not hyperthreads: two of these share the units that kernels keep busy.
int usable_cores() {
  const std::size_t cores = cores_of_cpus(Topology::machine(), cpus_of_this_thread()).size();
  return cores > 0 ? static_cast<int>(cores) : tbb::info::default_concurrency();
}

std::unique_ptr<Pool>& pool_slot();

void after_fork() {
  if (Team::has_summoned()) {
    lost_workers = true;
    pool_slot()->computing = 1;
  }
}

std::unique_ptr<Pool>& pool_slot() {
  // Never destroyed: threads of oneTBB may outlive static objects.
  static auto* slot = [] {
    auto* const made = new std::unique_ptr<Pool>(std::make_unique<Pool>(usable_cores()));
    pthread_atfork(nullptr, nullptr, after_fork);
    return made;
  }();
  return *slot;
}

Pool& pool() { return *pool_slot(); }

thread_local bool on_fresh_stack = false;

}  // namespace

int get_num_threads() { return pool().threads; }

void set_num_threads(int threads) {
  check(threads >= 1 && threads <= 1024, "set_num_threads: ", threads, ": need a number from 1 to 1024");
  if (threads != pool().threads) {
    if (lost_workers) {
      pool_slot()->threads = threads;
      return;
    }
    pool_slot() = nullptr;
    pool_slot() = std::make_unique<Pool>(threads);
  }
}

int num_computing_threads() { return pool().computing; }

void set_spin_time(double microseconds) {
  check(microseconds >= 0 && microseconds <= 1e6, "set_spin_time: ", microseconds, " us: need a number from 0 to 1e6");
  spin = microseconds;
  pool().team.set_spin(microseconds);
}

double spin_time() { return spin; }

ThreadLease::ThreadLease(int threads) : ThreadLease(pool().team, threads) {}

ThreadLease::ThreadLease(Team& team, int threads) : team_(team), threads_(threads) { team_.lease(threads_); }

ThreadLease::~ThreadLease() { team_.lease(-threads_); }

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
  run_deferred_work();  // other threads cannot
  if (chunks > 1) {
    if (WorkObserver* const observer = detail::work_observer(); observer != nullptr) [[unlikely]] {
      observed_loop(chunks, body, *observer);
      return;
    }
  }
  if (chunks <= 1 || pool().computing == 1 || on_fresh_stack) {
    for (std::int64_t i = 0; i < chunks; ++i) {
      body(i);
    }
    return;
  }
  thread_state().in_arena ? pool().team.run_in_arena(chunks, body) : pool().team.run(chunks, body);
}

}  // namespace backflow
