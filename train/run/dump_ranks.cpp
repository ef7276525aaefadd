#include <backflow/train/run/dump_ranks.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <backflow/runtime/base/error.h>
#include <backflow/train/run/job.h>

namespace backflow::train {
namespace {

/// Calls `give_up` on a thread of its own when `count` stays the same for too long, until it is destroyed.
class Watch {
 public:
  Watch(const std::atomic<std::int64_t>& count, double timeout_s, std::function<void()> give_up)
      : thread_([this, &count, timeout_s, give_up = std::move(give_up)] {
          std::unique_lock lock(mutex_);
          for (std::int64_t before = -1; before != count;) {
            before = count;
            if (wake_.wait_for(lock, std::chrono::duration<double>(timeout_s), [this] { return is_over_; })) {
              return;
            }
          }
          give_up();
        }) {}
  ~Watch() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_over_ = false;
  std::thread thread_;  ///< the last: it uses what is above
};

}  // namespace

void WorldDumpRanks::run(const std::function<void(const void* comm)>& job) {
  const Watch watch(written_, timeout_s_, [this] {
    end_failed_job(world_, to_text("checkpoint: the ranks have written nothing together for ", timeout_s_,
                                   " s: a rank is late, or its write has failed and MPI lets the others wait: need a "
                                   "file system on which MPI-IO works, a larger distributed.timeout_s, or "
                                   "checkpoint.mode = \"rank0\""));
  });
  world_.run([&] { job(world_.native_handle()); });
}

}  // namespace backflow::train
