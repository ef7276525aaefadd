#include <backflow/runtime/engine/parallel.h>

#include <atomic>
#include <deque>

#include <backflow/runtime/engine/nesting.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/threads/branch.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow {
namespace {

using Body = FunctionRef<void(std::size_t)>;

/// One call of parallel(). Every closure numbers its nodes from the caller's next number on, as the first of a serial
/// run would: so they come after all that was recorded before, whoever looks at them meanwhile. Once all have ended,
/// each one's numbers are moved behind those of the closures before it.
class ParallelCall {
 public:
  ParallelCall(std::size_t count, Body body)
      : body_(body), settings_(thread_state()), first_nr_(SequenceRange::reserve(0)), turns_(count) {
    for (std::size_t i = 0; i < count; ++i) {
      branches_.emplace_back(turns_, i, settings_.branch);
    }
  }

  void run() {
    parallel_for(static_cast<std::int64_t>(branches_.size()), [this](std::int64_t) {
      // Started in their order, so that a closure that waits for those before it waits for what is running.
      run_closure(started_.fetch_add(1, std::memory_order_acq_rel));
    });
    finish();
  }

 private:
  void run_closure(std::size_t i) noexcept {
    if (turns_.failed_before(i)) {
      return;
    }
    Branch& branch = branches_[i];
    ThreadState settings = settings_;
    settings.branch = &branch;
    settings.in_arena = thread_state().in_arena;  // a matter of the thread, not of its work
    const ThreadStateGuard guard(settings);
    const SequenceRange numbers(first_nr_);
    try {
      body_(i);
    } catch (...) {
      branch.error = std::current_exception();
    }
    branch.recorded = SequenceRange::reserve(0) - first_nr_;
    turns_.end(i, branch.error != nullptr);
  }

  void finish() {
    std::uint64_t recorded = 0;  // by a serial run so far
    std::exception_ptr error;
    for (Branch& branch : branches_) {
      branch.renumber(recorded);
      if (!error) {
        recorded += branch.recorded;
        error = branch.error;
      }
    }
    SequenceRange::reserve(recorded);
    if (error) {
      std::rethrow_exception(error);
    }
  }

  Body body_;
  const ThreadState settings_;
  const std::uint64_t first_nr_;
  Turns turns_;
  std::deque<Branch> branches_;
  std::atomic<std::size_t> started_{0};
};

void run_serially(std::size_t count, Body body) {
  const ThreadState settings = thread_state();
  for (std::size_t i = 0; i < count; ++i) {
    const ThreadStateGuard guard(settings);
    body(i);
  }
}

}  // namespace

void detail::run_parallel(std::size_t count, Body body) {
  run_nested([&] {
    if (count < 2 || target_threads() == 1 || !may_use_pool()) {
      run_serially(count, body);
    } else {
      ParallelCall(count, body).run();
    }
  });
}

std::vector<Tensor> parallel(const std::vector<std::function<Tensor()>>& closures) {
  std::vector<Tensor> results(closures.size());
  detail::run_parallel(closures.size(), [&](std::size_t i) { results[i] = closures[i](); });
  return results;
}

}  // namespace backflow
