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
    const DeferralScope deferring(pass_.deferral());
    for (const ItemIndex item : graph_.kinds.indices()) {
      if (graph_.kinds[item] != WorkGraph::Kind::Node && graph_.dependencies[item] == 0) {
        ready_.push_back(item);
      }
    }
    begin_ready();
    for (const NodeIndex node : pass_.plan().nodes().indices()) {
      const ItemIndex item = pass_.items().of(node);
      pass_.run_in_scope(item);
      release_after(item);
      take_ended();
      begin_ready();
    }
    pass_.run_deferred();
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

  void begin(ItemIndex task) {
    pass_.run_deferred();
    if (graph_.kinds[task] == WorkGraph::Kind::Async) {
      ++under_way_;
      pass_.start_task(task, [this, task] {
        const std::lock_guard lock(mutex_);
        ended_.push_back(task);
        changed_.notify_one();
      });
    } else {
      pass_.run_in_scope(task);
      release_after(task);
    }
  }

  void release_after(ItemIndex item) {
    for (const ItemIndex next : graph_.successors(item)) {
      if (--missing_[next] == 0 && graph_.kinds[next] != WorkGraph::Kind::Node) {
        ready_.push_back(next);
      }
    }
  }

  void take_ended() {
    std::vector<ItemIndex> ended;
    {
      const std::lock_guard lock(mutex_);
      ended.swap(ended_);
    }
    for (const ItemIndex task : ended) {
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
  IndexedVector<ItemIndex, std::uint32_t> missing_;
  std::deque<ItemIndex> ready_;  // tasks that wait for nothing any more
  std::size_t under_way_ = 0;    // asynchronous tasks whose end has not been seen
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ItemIndex> ended_;
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
