#include <backflow/train/data/prefetcher.h>

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
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

/// Under the lock. An error of the sequence takes the place of a batch, and ends it.
std::optional<BatchRequest> Prefetcher::next_request() {
  std::optional<BatchRequest> request;
  try {
    request = sequence_();
  } catch (...) {
    ready_[started_++] = {.batch = {}, .error = std::current_exception()};
  }
  at_end_ = !request.has_value();
  return request;
}

Prefetcher::Made Prefetcher::make(const BatchRequest& request) const {
  try {
    return {.batch = data_.make(request.indices, request.epoch), .error = nullptr};
  } catch (...) {
    return {.batch = {}, .error = std::current_exception()};
  }
}

void Prefetcher::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || at_end_ || started_ < taken_ + options_.depth; });
    if (stop_ || at_end_) {
      return;
    }
    if (const std::optional<BatchRequest> request = next_request()) {
      const std::int64_t number = started_++;
      lock.unlock();
      Made made = make(*request);
      memory_stats();  // adds this thread's count, before the taker counts the batch as freed
      lock.lock();
      ready_[number] = std::move(made);
    }
    changed_.notify_all();
  }
}

Prefetcher::Made Prefetcher::take() {
  std::unique_lock lock(mutex_);
  if (threads_.empty() && !at_end_) {
    if (const std::optional<BatchRequest> request = next_request()) {
      ready_[started_++] = make(*request);
    }
  }
  changed_.wait(lock, [this] { return ready_.contains(taken_) || (at_end_ && taken_ == started_); });
  check(ready_.contains(taken_), "prefetcher: no batch is left: need no call after the last");
  Made made = std::move(ready_.extract(taken_).mapped());
  ++taken_;
  lock.unlock();
  changed_.notify_all();
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

}  // namespace backflow::train
