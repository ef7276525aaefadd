#pragma once

#include <cstdint>
#include <string>

#include <backflow/runtime/base/function_ref.h>

namespace backflow {

/// The number of computing threads of the process: the size of the pool that forward, backward and kernels share. At
/// first the number of cores that the process may use. Must not be changed while anything computes. A process that was
/// forked after its parent had used the pool computes on one thread, with the same results.
int get_num_threads();
/// Throws Error unless `threads` is in [1, 1024].
void set_num_threads(int threads);

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
