#include <backflow/runtime/threads/binding.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <oneapi/tbb/task_scheduler_observer.h>

#include <backflow/runtime/threads/topology.h>

namespace backflow {
namespace {

/// The CPUs of the pool's workers. A worker takes one when it enters an arena, and gives it back when it leaves: oneTBB
/// may have more workers than it lets run at a time.
struct WorkerCpus {
  explicit WorkerCpus(const Placement& placement)
      : bound(placement.thread_cpus),
        shared(bound.empty() ? placement.cpus : bound),
        numa_nodes(placement.is_interleaved ? placement.numa_nodes : std::vector<int>()),
        taken(bound.size()) {}

  std::vector<int> bound;   // a CPU for each thread, the caller's first; or empty
  std::vector<int> shared;  // of threads that have none of their own
  std::vector<int> numa_nodes;
  std::vector<std::atomic<bool>> taken;  // of `bound`
};

// Workers read it without a lock, and nothing computes while it changes. Those that are replaced are kept (registry()):
// a worker may still leave an arena that it entered under them.
std::atomic<WorkerCpus*> current{nullptr};

/// What a worker knows of its own binding.
struct OwnBinding {
  const WorkerCpus* of = nullptr;  // what the rest belongs to
  std::size_t preferred = 0;       // the CPU that it is bound to, by its place in `bound`; 0 for none
  std::size_t held = 0;            // the one that it has taken; 0 for none
};
thread_local OwnBinding own;

bool take(WorkerCpus& cpus, std::size_t i) { return !cpus.taken[i].exchange(true, std::memory_order_relaxed); }

void enter(WorkerCpus& cpus) {
  if (own.of != &cpus) {
    own = {.of = &cpus};
    bind_this_thread(cpus.shared);
    interleave_memory_of_this_thread(cpus.numa_nodes);
  }
  if (own.held != 0) {
    return;  // the arena before went while this thread was in it
  }
  if (own.preferred != 0 && take(cpus, own.preferred)) {
    own.held = own.preferred;
    return;
  }
  for (std::size_t i = 1; i < cpus.bound.size(); ++i) {
    if (take(cpus, i)) {
      own.held = own.preferred = i;
      bind_this_thread({cpus.bound[i]});
      return;
    }
  }
}

void leave(WorkerCpus& cpus) {
  if (own.of == &cpus && own.held != 0) {
    cpus.taken[own.held].store(false, std::memory_order_relaxed);
    own.held = 0;
  }
}

}  // namespace

class BoundWorkers::Observer : public tbb::task_scheduler_observer {
 public:
  Observer(tbb::task_arena& arena, std::function<void()> dismiss)
      : tbb::task_scheduler_observer(arena), dismiss_(std::move(dismiss)) {}
  ~Observer() override { observe(false); }
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  void on_scheduler_entry(bool is_worker) override {
    if (is_worker) {
      enter(*current);
    }
  }
  void on_scheduler_exit(bool is_worker) override {
    if (is_worker) {
      leave(*current);
    }
  }
  /// Tells workers that have not left since the last time, too.
  void begin_anew() {
    if (dismiss_) {
      dismiss_();
    }
    observe(false);
    observe(true);
  }

 private:
  const std::function<void()> dismiss_;
};

namespace {

/// Every observer there is. While nothing is to be bound none observes, which costs nothing.
struct Registry {
  std::mutex mutex;
  std::vector<BoundWorkers::Observer*> observers;
  std::vector<std::unique_ptr<WorkerCpus>> cpus;  // the last is current
};

Registry& registry() {
  static auto* const registry = new Registry;  // never destroyed: a cache of flow graphs may outlive static objects
  return *registry;
}

}  // namespace

BoundWorkers::BoundWorkers(tbb::task_arena& arena, std::function<void()> dismiss)
    : observer_(std::make_unique<Observer>(arena, std::move(dismiss))) {
  const std::lock_guard lock(registry().mutex);
  registry().observers.push_back(observer_.get());
  if (current != nullptr) {
    observer_->observe(true);
  }
}

BoundWorkers::~BoundWorkers() {
  const std::lock_guard lock(registry().mutex);
  std::erase(registry().observers, observer_.get());
}

bool bind_pool(const Placement& placement) {
  const std::lock_guard lock(registry().mutex);
  const bool asks = !placement.thread_cpus.empty() || placement.is_interleaved;
  if (!asks && current == nullptr) {
    return true;
  }
  current = registry().cpus.emplace_back(std::make_unique<WorkerCpus>(placement)).get();
  for (BoundWorkers::Observer* observer : registry().observers) {
    observer->begin_anew();
  }
  const WorkerCpus& cpus = *current;
  const bool bound = bind_this_thread(cpus.shared);
  return interleave_memory_of_this_thread(cpus.numa_nodes) && bound;
}

}  // namespace backflow
