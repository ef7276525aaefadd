#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <backflow/train/data/batch_maker.h>
#include <backflow/train/data/data_options.h>

namespace backflow::train {

/// The samples of a batch that will be needed.
struct BatchRequest {
  std::vector<std::int64_t> indices;
  std::int64_t epoch = 0;
};

/// Makes batches ahead on threads of its own, in the order in which they are needed. One thread takes them.
///
///   Prefetcher batches(data, [&] { return next_request(); }, {.depth = 2});
///   while (...) step(batches.next());
class Prefetcher {
 public:
  /// The next batch of the run, or nothing at its end. Called by one thread at a time.
  using Sequence = std::function<std::optional<BatchRequest>()>;

  struct Options {
    std::int64_t depth = 2;    ///< batches that may wait or be in the making; 0: each is made when it is asked for
    std::int64_t workers = 1;  ///< threads that make batches, each one batch at a time
  };

  /// Keeps a copy of `data`, which is a handle.
  Prefetcher(BatchMaker data, Sequence sequence, Options options);
  /// Batches that wait are dropped.
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// Waits for the batch that is next. Throws what making it threw, and Error behind the last.
  Batch next();
  /// How long the calls of next() have taken, together, in seconds.
  double stall_seconds() const { return stall_seconds_; }

 private:
  struct Made {
    Batch batch;
    std::exception_ptr error;
  };
  struct Job {
    std::int64_t number = 0;
    BatchRequest request;
  };

  void run();
  /// Under the lock: whether fewer batches than `depth` are ahead, or there is nothing to wait for.
  bool has_room(std::int64_t depth) const;
  std::int64_t refill_depth() const;
  std::optional<Job> next_job();
  void make(const Job& job);
  Made take();

  BatchMaker data_;
  Sequence sequence_;
  Options options_;
  double stall_seconds_ = 0;
  std::mutex order_mutex_;              // guards calls of sequence_; taken before the other
  std::mutex mutex_;                    // guards what follows
  std::condition_variable made_;        // for the thread that takes
  std::condition_variable taken_some_;  // for the one that waits to make more
  std::map<std::int64_t, Made> ready_;  // by number
  std::int64_t started_ = 0;            // batches whose making has begun
  std::int64_t taken_ = 0;
  bool at_end_ = false;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

/// What [data] asks for. Without a depth, as many batches as 16 MiB hold, from 2 to 32: where steps are short, a worker
/// should make several each time that it gets a core. `samples`: of a batch on this rank.
Prefetcher::Options prefetch_options(const DataOptions& options, const DataInfo& info, std::int64_t samples);

}  // namespace backflow::train
