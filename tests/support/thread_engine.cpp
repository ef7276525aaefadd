#include <backflow/tests/support/thread_engine.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace backflow::test {
namespace {

class Pass {
 public:
  explicit Pass(Execution& pass)
      : pass_(pass), missing_(pass.plan().nodes().size()), tasks_after_(missing_.size()), left_(missing_.size()) {
    for (std::uint32_t i = 0; i < missing_.size(); ++i) {
      missing_[i] = pass.plan().nodes()[i].dependencies;
      if (missing_[i] == 0) {
        ready_.push_back(i);
      }
    }
    for (std::size_t t = 0; t < pass.num_tasks(); ++t) {
      task_missing_.push_back(pass.task_dependencies(t).size());
      for (const std::uint32_t node : pass.task_dependencies(t)) {
        tasks_after_[node].push_back(t);
      }
      ++left_;
      if (task_missing_[t] == 0) {
        ready_tasks_.push_back(t);
      }
    }
  }

  /// What every thread does until nothing is left.
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return left_ == 0 || !ready_.empty() || !ready_tasks_.empty(); });
      if (left_ == 0) {
        return;
      }
      if (!ready_tasks_.empty()) {
        const std::size_t task = ready_tasks_.back();
        ready_tasks_.pop_back();
        lock.unlock();
        pass_.start_task(task, [this] { end_one(); });
        lock.lock();
        continue;
      }
      const std::uint32_t node = ready_.back();
      ready_.pop_back();
      lock.unlock();
      pass_.run(node);
      lock.lock();
      release_successors(node);
    }
  }

 private:
  void end_one() {
    const std::lock_guard lock(mutex_);
    --left_;
    changed_.notify_all();
  }

  void release_successors(std::uint32_t node) {
    for (const std::uint32_t target : pass_.plan().targets(pass_.plan().nodes()[node])) {
      if (target != kNoTarget) {
        const std::uint32_t next = pass_.plan().inputs()[target].node;
        if (--missing_[next] == 0) {
          ready_.push_back(next);
        }
      }
    }
    for (const std::size_t task : tasks_after_[node]) {
      if (--task_missing_[task] == 0) {
        ready_tasks_.push_back(task);
      }
    }
    --left_;
    changed_.notify_all();
  }

  Execution& pass_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint32_t> missing_;  // by node
  std::vector<std::size_t> task_missing_;
  std::vector<std::vector<std::size_t>> tasks_after_;
  std::vector<std::uint32_t> ready_;
  std::vector<std::size_t> ready_tasks_;
  std::size_t left_;  // nodes and tasks that have not ended
};

}  // namespace

void ThreadEngine::execute(Execution& pass) {
  Pass shared(pass);
  std::vector<std::thread> threads;
  for (int i = 0; i < threads_; ++i) {
    threads.emplace_back([&] { shared.work(); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace backflow::test
