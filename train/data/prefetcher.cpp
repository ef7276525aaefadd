#include <backflow/train/data/prefetcher.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::train {

Prefetcher::Prefetcher(BatchMaker data, Sequence sequence, Options options)
    : data_(std::move(data)), sequence_(std::move(sequence)), options_(options) {
  for (std::int64_t i = 0; options_.depth > 0 && i < options_.workers; ++i) {
    // Loops of a worker run on it alone: the pool's threads are for the training step.
    threads_.emplace_back([this] { run_on_fresh_stack([this] { run(); }); });
  }
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  taken_some_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

/// Batches ahead below which idle workers are woken. Waking one takes some microseconds, too much for each short step.
std::int64_t Prefetcher::refill_depth() const { return options_.depth - options_.depth / 4; }

bool Prefetcher::has_room(std::int64_t depth) const {
  return stop_ || at_end_ || options_.depth == 0 || started_ - taken_ < depth;
}

/// Waits until a batch should be made. The next request may take long, as where a new epoch is shuffled: batches that
/// are ready can be taken meanwhile. An error of the sequence takes the place of a batch, and ends it.
std::optional<Prefetcher::Job> Prefetcher::next_job() {
  const std::lock_guard in_order(order_mutex_);
  std::unique_lock lock(mutex_);
  if (!has_room(options_.depth)) {
    taken_some_.wait(lock, [this] { return has_room(refill_depth()); });
  }
  if (stop_ || at_end_) {
    return std::nullopt;
  }
  const std::int64_t number = started_++;
  lock.unlock();
  std::optional<BatchRequest> request;
  std::exception_ptr error;
  try {
    request = sequence_();
  } catch (...) {
    error = std::current_exception();
  }
  if (request) {
    return Job{number, std::move(*request)};
  }
  lock.lock();
  at_end_ = true;
  if (error) {
    ready_[number] = {.batch = {}, .error = error};
  } else {
    --started_;
  }
  made_.notify_one();
  return std::nullopt;
}

void Prefetcher::make(const Job& job) {
  Made made;
  try {
    made.batch = data_.make(job.request.indices, job.request.epoch);
  } catch (...) {
    made.error = std::current_exception();
  }
  memory_stats();  // adds this thread's count, before the taker counts the batch as freed
  const std::lock_guard lock(mutex_);
  ready_[job.number] = std::move(made);
  made_.notify_one();
}

void Prefetcher::run() {
  while (const std::optional<Job> job = next_job()) {
    make(*job);
  }
}

Prefetcher::Made Prefetcher::take() {
  if (options_.depth == 0) {
    if (const std::optional<Job> job = next_job()) {
      make(*job);
    }
  }
  std::unique_lock lock(mutex_);
  made_.wait(lock, [this] { return ready_.contains(taken_) || (at_end_ && taken_ == started_); });
  check(ready_.contains(taken_), "prefetcher: no batch is left: need no call after the last");
  Made made = std::move(ready_.extract(taken_).mapped());
  ++taken_;
  const bool is_low = has_room(refill_depth());
  lock.unlock();
  if (is_low) {
    taken_some_.notify_one();
  }
  return made;
}

Batch Prefetcher::next() {
  const trace::Span span("data");
  const auto start = std::chrono::steady_clock::now();
  Made made = take();
  stall_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (made.error) {
    std::rethrow_exception(made.error);
  }
  return std::move(made.batch);
}

Prefetcher::Options prefetch_options(const DataOptions& options, const DataInfo& info, std::int64_t samples) {
  constexpr double kBytes = 16 << 20;
  constexpr double kLeast = 2;
  constexpr double kMost = 32;
  const auto numbers = static_cast<double>(numel_of(info.sample_shape) + numel_of(info.target_shape));
  const double bytes =
      std::max(1.0, static_cast<double>(samples) * numbers * static_cast<double>(element_size(info.sample_dtype)));
  const std::int64_t depth =
      options.prefetch >= 0 ? options.prefetch : static_cast<std::int64_t>(std::clamp(kBytes / bytes, kLeast, kMost));
  return {.depth = depth, .workers = options.workers};
}

}  // namespace backflow::train
