#include <backflow/tests/support/thread_engine.h>

#include <condition_variable>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace backflow::test {
namespace {

class Pass {
 public:
  explicit Pass(Execution& pass)
      : pass_(pass), graph_(pass.work_graph()), missing_(graph_.dependencies), left_(graph_.size()) {
    pass.begin_parallel();
    for (const ItemIndex i : graph_.kinds.indices()) {
      if (missing_[i] == 0) {
        ready_.push_back(i);
      }
    }
  }

  /// What every thread does until nothing is left.
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return left_ == 0 || !ready_.empty(); });
      if (left_ == 0) {
        return;
      }
      const ItemIndex item = ready_.back();
      ready_.pop_back();
      lock.unlock();
      if (graph_.kinds[item] == WorkGraph::Kind::Async) {
        pass_.start_task(item, [this, item] { end(item); });
      } else {
        pass_.run(std::span(&item, 1));
        end(item);
      }
      lock.lock();
    }
  }

 private:
  void end(ItemIndex item) {
    const std::lock_guard lock(mutex_);
    for (const ItemIndex next : graph_.successors(item)) {
      if (--missing_[next] == 0) {
        ready_.push_back(next);
      }
    }
    --left_;
    changed_.notify_all();
  }

  Execution& pass_;
  const WorkGraph graph_;
  std::mutex mutex_;
  std::condition_variable changed_;
  IndexedVector<ItemIndex, std::uint32_t> missing_;
  std::vector<ItemIndex> ready_;
  std::size_t left_;  // items that have not ended
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
