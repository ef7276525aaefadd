#include <condition_variable>
#include <deque>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/execution.h>

namespace backflow {
namespace {

/// A pass with tasks: each one runs, or starts, as soon as what it waits for has ended.
class PassWithTasks {
 public:
  explicit PassWithTasks(Execution& pass) : pass_(pass), graph_(pass.work_graph()), missing_(graph_.dependencies) {}

  void run() {
    const auto num_nodes = static_cast<std::uint32_t>(graph_.size() - pass_.num_tasks());
    for (std::uint32_t task = num_nodes; task < graph_.size(); ++task) {
      if (graph_.dependencies[task] == 0) {
        ready_.push_back(task);
      }
    }
    begin_ready();
    for (std::uint32_t node = 0; node < num_nodes; ++node) {
      pass_.run(std::span(&node, 1));
      release_after(node);
      take_ended();
      begin_ready();
    }
    while (under_way_ > 0) {
      wait_for_end();
      take_ended();
      begin_ready();
    }
  }

 private:
  /// Those that they release come after them: no recursion, however long a chain of tasks is.
  void begin_ready() {
    for (; !ready_.empty(); ready_.pop_front()) {
      begin(ready_.front());
    }
  }

  void begin(std::uint32_t task) {
    if (graph_.kinds[task] == WorkGraph::Kind::Async) {
      ++under_way_;
      pass_.start_task(task, [this, task] {
        const std::lock_guard lock(mutex_);
        ended_.push_back(task);
        changed_.notify_one();
      });
    } else {
      pass_.run(std::span(&task, 1));
      release_after(task);
    }
  }

  void release_after(std::uint32_t item) {
    for (const std::uint32_t next : graph_.successors(item)) {
      if (--missing_[next] == 0 && graph_.kinds[next] != WorkGraph::Kind::Node) {
        ready_.push_back(next);
      }
    }
  }

  void take_ended() {
    std::vector<std::uint32_t> ended;
    {
      const std::lock_guard lock(mutex_);
      ended.swap(ended_);
    }
    for (const std::uint32_t task : ended) {
      --under_way_;
      release_after(task);
    }
  }

  void wait_for_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !ended_.empty(); });
  }

  Execution& pass_;
  const WorkGraph graph_;
  std::vector<std::uint32_t> missing_;  // by item
  std::deque<std::uint32_t> ready_;     // tasks that wait for nothing any more
  std::size_t under_way_ = 0;           // asynchronous tasks whose end has not been seen
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint32_t> ended_;
};

}  // namespace

void SerialEngine::execute(Execution& pass) {
  if (pass.num_tasks() == 0) {
    pass.run_nodes();
  } else {
    PassWithTasks(pass).run();
  }
}

}  // namespace backflow
