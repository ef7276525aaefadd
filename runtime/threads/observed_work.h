#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace backflow {

/// Is told which parts of the work of one thread several threads could share. Loops and graphs nest.
class WorkObserver {
 public:
  virtual ~WorkObserver() = default;
  /// A loop of so many tasks, which could all run at the same time.
  virtual void begin_loop(std::int64_t tasks) = 0;
  /// A graph of tasks: each entry lists the tasks that wait for that one. They are run in ascending order.
  virtual void begin_graph(std::span<const std::vector<std::uint32_t>> successors) = 0;
  /// Of the innermost loop or graph: one of its tasks starts, or has ended.
  virtual void begin_task(std::size_t task) = 0;
  virtual void end_task() = 0;
  /// The innermost loop or graph has ended.
  virtual void end() = 0;
};

/// Until the end of the scope, loops and passes that start on this thread are cut for `threads` threads, run here one
/// task after the other, and are reported to `observer`.
class ObservedWork {
 public:
  /// Throws Error unless `threads` is in [1, 1024].
  ObservedWork(WorkObserver& observer, int threads);
  ~ObservedWork();
  ObservedWork(const ObservedWork&) = delete;
  ObservedWork& operator=(const ObservedWork&) = delete;

 private:
  WorkObserver* const previous_;
  const int previous_threads_;
};

namespace detail {

/// That of this thread, or null.
WorkObserver* work_observer();
/// The number of threads that an ObservedWork of this thread asks for, or 0.
int observed_threads();

}  // namespace detail

}  // namespace backflow
