#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <oneapi/tbb/task_arena.h>

#include <backflow/runtime/threads/placement.h>

namespace backflow {

/// Binds the pool's threads to the CPUs that `placement` gives them, and confines the calling thread, and those that it
/// will start, to all of these together. Memory that any of them touches from now on is interleaved, if that is asked
/// for. Replaces what an earlier call said. Must not be called while anything computes. False when the system refuses
/// any of it.
bool bind_pool(const Placement& placement);

/// Binds the workers of one arena as bind_pool() has said or will say. Does nothing until then. Must go before
/// the arena does. bind_pool() calls `dismiss`, which ends tasks that stay for long: oneTBB asks between tasks.
class BoundWorkers {
 public:
  explicit BoundWorkers(tbb::task_arena& arena, std::function<void()> dismiss = nullptr);
  ~BoundWorkers();
  BoundWorkers(const BoundWorkers&) = delete;
  BoundWorkers& operator=(const BoundWorkers&) = delete;

  class Observer;

 private:
  std::unique_ptr<Observer> observer_;
};

}  // namespace backflow
