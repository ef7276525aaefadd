// Tasks of a backward pass: what they wait for, errors, cancellation.
#include <backflow/runtime/engine/pass_task.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/tape/grad_mode.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>

using namespace backflow;
using namespace backflow::test;

namespace {

struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class F>
void on_all_engines(const F& f) {
  for (const int n : {1, 2, 4}) {
    const Threads threads(n);
    for (const auto& engine : engines(n)) {
      const EngineGuard guard(*engine);
      INFO("engine " << engine->name() << ", " << n << " threads");
      f();
    }
  }
}

/// The order in which things happened.
class Log {
 public:
  void add(const std::string& what) {
    const std::lock_guard lock(mutex_);
    entries_.push_back(what);
  }
  std::size_t size() const { return entries_.size(); }
  std::size_t count(const std::string& what) const {
    return static_cast<std::size_t>(std::count(entries_.begin(), entries_.end(), what));
  }
  bool before(const std::string& a, const std::string& b) const {
    const auto first = std::find(entries_.begin(), entries_.end(), a);
    return first != entries_.end() && std::find(first, entries_.end(), b) != entries_.end();
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> entries_;
};

/// Threads on which asynchronous tasks end.
struct Elsewhere {
  std::mutex mutex;
  Workers workers;

  /// A task that ends on another thread, after `work` has run there.
  PassTask task(std::vector<Tensor> leaves, std::function<void()> work) {
    return {.leaves = std::move(leaves), .start = [this, work = std::move(work)](Completion done) {
              const std::lock_guard lock(mutex);
              workers.threads.emplace_back([work, done] {
                try {
                  work();
                  done(nullptr);
                } catch (...) {
                  done(std::current_exception());
                }
              });
            }};
  }
};

PassTask run_task(std::vector<Tensor> leaves, std::function<void()> run, std::vector<TaskIndex> after = {}) {
  return {.leaves = std::move(leaves), .run = std::move(run), .after = std::move(after)};
}

std::vector<Tensor> some_leaves(int n) {
  std::vector<Tensor> leaves;
  leaves.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    leaves.push_back(full({3}, 0.1 * (i + 1)).requires_grad_());
  }
  return leaves;
}

/// A scalar that depends on all of them, by way of a branch for each.
Tensor loss_of(const std::vector<Tensor>& leaves) {
  Tensor total = zeros({});
  for (const Tensor& x : leaves) {
    total = total + (tanh(x) * x).sum();
  }
  return total;
}

void backward(const Tensor& loss, std::span<const PassTask> tasks, std::stop_token stop = {}) {
  autograd::backward({loss}, {}, {.tasks = tasks, .stop = std::move(stop)});
}

/// Takes the warnings until the end of the scope.
struct Warnings {
  std::mutex mutex;
  std::vector<std::string> texts;
  WarningHandler previous;

  Warnings()
      : previous(set_warning_handler([this](const std::string& text) {
          const std::lock_guard lock(mutex);
          texts.push_back(text);
        })) {}
  ~Warnings() { set_warning_handler(previous); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;
};

}  // namespace

TEST_CASE("tasks: each runs once, when its leaves are complete, with recording as in the pass") {
  on_all_engines([] {
    const auto leaves = some_leaves(12);
    std::vector<int> runs(leaves.size(), 0);
    std::atomic<bool> complete{true};
    std::atomic<bool> recording{false};
    std::vector<PassTask> tasks;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      tasks.push_back(run_task({leaves[i], leaves[(i + 5) % leaves.size()]}, [&, i] {
        ++runs[i];
        complete = complete && leaves[i].grad().defined() && leaves[(i + 5) % leaves.size()].grad().defined();
        recording = recording || GradMode::is_enabled();
      }));
    }
    backward(loss_of(leaves), tasks);
    CHECK(runs == std::vector<int>(leaves.size(), 1));
    CHECK(complete);
    CHECK_FALSE(recording);
  });
}

TEST_CASE("tasks: what an update leaves in a parameter does not change the other gradients") {
  on_all_engines([] {
    const auto leaves = some_leaves(8);
    const auto expected = some_leaves(8);
    loss_of(expected).backward();
    std::vector<PassTask> tasks;
    tasks.reserve(leaves.size());
    for (const Tensor& x : leaves) {
      tasks.push_back(run_task({x}, [&x] {
        const NoGradGuard guard;
        x.add_(x.grad());
      }));
    }
    backward(loss_of(leaves), tasks);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      CHECK(bitwise_equal(leaves[i].grad(), expected[i].grad()));
      CHECK(bitwise_equal(leaves[i].detach(), (expected[i] + expected[i].grad()).detach()));
    }
  });
}

TEST_CASE("tasks: run after asynchronous ones and after each other") {
  on_all_engines([] {
    const auto leaves = some_leaves(3);
    Log log;
    Elsewhere elsewhere;
    std::vector<PassTask> tasks;
    tasks.push_back(elsewhere.task({leaves[0]}, [&] { log.add("sent 0"); }));
    tasks.push_back(elsewhere.task({leaves[1], leaves[2]}, [&] { log.add("sent 1"); }));
    tasks.push_back(run_task({leaves[2]}, [&] { log.add("checked"); }, {TaskIndex(0), TaskIndex(1)}));
    tasks.push_back(run_task({}, [&] { log.add("updated 0"); }, {TaskIndex(0), TaskIndex(2)}));
    tasks.push_back(run_task({}, [&] { log.add("updated 1"); }, {TaskIndex(1), TaskIndex(2)}));
    tasks.push_back(elsewhere.task({}, [&] { log.add("told"); }));
    tasks.back().after = {TaskIndex(3), TaskIndex(4)};
    backward(loss_of(leaves), tasks);
    CHECK(log.size() == 6);
    for (const char* sent : {"sent 0", "sent 1"}) {
      CHECK(log.before(sent, "checked"));
    }
    for (const char* updated : {"updated 0", "updated 1"}) {
      CHECK(log.before("checked", updated));
      CHECK(log.before(updated, "told"));
    }
  });
}

TEST_CASE("tasks: those whose leaves the pass does not reach run all the same, a thousand in a row too") {
  on_all_engines([] {
    const auto leaves = some_leaves(2);
    int runs = 0;
    std::vector<PassTask> tasks = {run_task({leaves[1]}, [&] { ++runs; })};
    for (std::uint32_t i = 0; i < 1000; ++i) {
      tasks.push_back(run_task({}, [&] { ++runs; }, {TaskIndex(i)}));
    }
    backward(loss_of({leaves[0]}), tasks);
    CHECK(runs == 1001);
  });
}

TEST_CASE("tasks: a chain of 100,000 needs no deep stack") {
  SerialEngine serial;
  const EngineGuard guard(serial);
  const auto leaves = some_leaves(1);
  int runs = 0;
  std::vector<PassTask> tasks = {run_task({leaves[0]}, [&] { ++runs; })};
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    tasks.push_back(run_task({}, [&] { ++runs; }, {TaskIndex(i)}));
  }
  backward(loss_of(leaves), tasks);
  CHECK(runs == 100'001);
}

TEST_CASE("tasks: one that waits for a later one, or for itself, is an error") {
  on_all_engines([] {
    const auto leaves = some_leaves(1);
    const std::vector<PassTask> itself = {run_task({leaves[0]}, [] {}, {TaskIndex(0)})};
    CHECK_THROWS_WITH(backward(loss_of(leaves), itself),
                      Equals("backward: task 0 waits for task 0: need one that is before it in the list"));
  });
}

TEST_CASE("tasks: an error in any of them ends the pass, and no task that waits is called") {
  on_all_engines([] {
    const auto leaves = some_leaves(2);
    const auto fails_with = [&](const PassTask& failing, const std::string& message) {
      int after = 0;
      std::vector<PassTask> tasks = {failing, run_task({leaves[1]}, [&] { ++after; }, {TaskIndex(0)})};
      tasks.push_back(
          {.leaves = {}, .start = [&](const Completion& done) { ++after, done(nullptr); }, .after = {TaskIndex(1)}});
      CHECK_THROWS_WITH(backward(loss_of(leaves), tasks), Equals(message));
      CHECK(after == 0);
    };
    Elsewhere elsewhere;
    fails_with(run_task({leaves[0]}, [] { throw Broken("while running"); }), "while running");
    fails_with(elsewhere.task({leaves[0]}, [] { throw Broken("elsewhere"); }), "elsewhere");
    fails_with({.leaves = {leaves[0]}, .start = [](const Completion&) { throw Broken("while starting"); }},
               "while starting");
    int called = 0;
    const std::vector<PassTask> tasks = {run_task({leaves[0]}, [&] { ++called; })};
    const Tensor broken = hooked(leaves[0], [] { throw Broken("node"); });
    CHECK_THROWS_WITH(backward(loss_of({broken, leaves[1]}), tasks), Equals("node"));
    CHECK(called == 0);
    backward(loss_of(leaves), tasks);
    CHECK(called == 1);
  });
}

TEST_CASE("tasks: the first error wins, the others are dropped with a warning") {
  on_all_engines([] {
    Warnings warnings;
    const auto leaves = some_leaves(1);
    // Both have started when the first fails.
    std::vector<Completion> completions;
    const auto keep = [&](const Completion& done) {
      completions.push_back(done);
      if (completions.size() == 2) {
        completions[1](std::make_exception_ptr(Broken("first")));
        completions[0](std::make_exception_ptr(Broken("second")));
        completions[0](std::make_exception_ptr(Broken("ended before")));
      }
    };
    const std::vector<PassTask> tasks = {{.leaves = {leaves[0]}, .start = keep},
                                         {.leaves = {leaves[0]}, .start = keep, .after = {}}};
    std::mutex one_at_a_time;
    std::vector<PassTask> guarded = tasks;
    for (PassTask& task : guarded) {
      task.start = [&one_at_a_time, start = task.start](Completion done) {
        const std::lock_guard lock(one_at_a_time);
        start(std::move(done));
      };
    }
    CHECK_THROWS_WITH(backward(loss_of(leaves), guarded), Equals("first"));
    CHECK(warnings.texts ==
          std::vector<std::string>{"backward: dropped a further error of a pass that had failed: second"});
  });
}

TEST_CASE("tasks: a stop from another thread ends the pass with Cancelled, and all can be used afterwards") {
  on_all_engines([] {
    const auto leaves = some_leaves(3);
    int called = 0;
    const std::vector<PassTask> after_all = {run_task(leaves, [&] { ++called; })};
    {
      std::stop_source stop;
      const auto request = [&] { std::thread([&] { stop.request_stop(); }).join(); };
      const Tensor loss = hooked(loss_of(leaves), request);
      CHECK_THROWS_AS(backward(loss, after_all, stop.get_token()), Cancelled);
      CHECK(called == 0);
    }
    for (const Tensor& x : leaves) {
      CHECK_FALSE(x.grad().defined());
    }
    {
      // All gradients are there: what waits for the task that is elsewhere does not start.
      std::stop_source stop;
      Elsewhere elsewhere;
      const std::vector<PassTask> tasks = {
          elsewhere.task(leaves, [&] { stop.request_stop(); }),
          {.leaves = {}, .start = [&](const Completion& done) { ++called, done(nullptr); }, .after = {TaskIndex(0)}}};
      CHECK_THROWS_WITH(backward(loss_of(leaves), tasks, stop.get_token()),
                        Equals("backward: cancelled: a stop was requested before all work was done"));
      CHECK(called == 0);
    }
    const Tensor loss = loss_of(leaves);
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(backward(loss, after_all, stop.get_token()), Cancelled);
    backward(loss, after_all);  // nothing of the graph has been freed
    CHECK(called == 1);
  });
}
