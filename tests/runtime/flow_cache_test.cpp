// The flow graphs that passes share: which are reused, and how many are kept.
#include <backflow/runtime/engine/engine.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/memory/memory.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>

using namespace backflow;
using namespace backflow::test;

namespace {

/// A backward whose structure depends on `width` alone.
void pass(
    int width, const std::function<void(int)>& inside = [](int) {}) {
  const Tensor x = ones({2}, requires_grad());
  branches(x, width, inside).backward();
}

}  // namespace

TEST_CASE("flow cache: the same structure is reused, another is not") {
  const Threads threads(2);
  FlowEngine flow(FlowEngine::Use::Always);
  const EngineGuard guard(flow);
  for (int i = 0; i < 10; ++i) {
    pass(3);
  }
  CHECK(flow.cache_stats().made == 1);
  CHECK(flow.cache_stats().reused == 9);
  pass(4);
  CHECK(flow.cache_stats().made == 2);
  pass(3);
  CHECK(flow.cache_stats().made == 2);
  CHECK(flow.cache_stats().graphs == 2);
  const Threads more(4);
  pass(3);
  CHECK(flow.cache_stats().made == 3);
}

TEST_CASE("flow cache: tasks are part of the structure") {
  const Threads threads(2);
  FlowEngine flow(FlowEngine::Use::Always);
  const EngineGuard guard(flow);
  const Tensor x = ones({2}, requires_grad());
  const Tensor w = ones({2}, requires_grad());
  const auto with = [&](const std::vector<PassTask>& tasks) {
    autograd::backward({(x * w).sum()}, {}, {.tasks = tasks});
    return flow.cache_stats().made;
  };
  const PassTask on_x = {.leaves = {x}, .run = [] {}};
  const PassTask on_w = {.leaves = {w}, .run = [] {}};
  CHECK(with({on_x, on_w}) == 1);
  CHECK(with({on_x, on_w}) == 1);
  CHECK(with({on_w, on_x}) == 2);
  CHECK(with({on_x, {.leaves = {w}, .run = [] {}, .after = {TaskIndex(0)}}}) == 3);
  CHECK(with({on_x, {.leaves = {w}, .start = [](const Completion& done) { done(nullptr); }}}) == 4);
  CHECK(with({on_x, {.leaves = {w}, .run = [] {}, .work = 1e6F}}) == 5);
  CHECK(with({on_x, on_w}) == 5);
}

TEST_CASE("flow cache: concurrent passes of one structure have graphs of their own") {
  const Threads threads(2);
  FlowEngine flow(FlowEngine::Use::Always);
  constexpr int kPasses = 3;
  std::atomic<int> inside{0};
  Workers workers;
  for (int t = 0; t < kPasses; ++t) {
    workers.threads.emplace_back([&] {
      const EngineGuard guard(flow);
      std::once_flag once;
      pass(5, [&](int) {
        // Nobody leaves before all are inside, each in a pass of its own.
        std::call_once(once, [&] {
          ++inside;
          while (inside < kPasses) {
            std::this_thread::yield();
          }
        });
      });
    });
  }
  workers.join();
  CHECK(flow.cache_stats().made == kPasses);
  CHECK(flow.cache_stats().graphs == kPasses);
}

TEST_CASE("flow cache: bounded after thousands of different structures") {
  const Threads threads(2);
  FlowEngine flow(FlowEngine::Use::Always);
  const EngineGuard guard(flow);
  for (int i = 0; i < 4000; ++i) {
    Tensor x = ones({}, requires_grad());
    Tensor y = x;
    for (int bit = 0; bit < 12; ++bit) {  // the structure is the number, in binary
      y = (i >> bit & 1) != 0 ? y * y : tanh(y);
    }
    y.backward();
  }
  const FlowEngine::CacheStats stats = flow.cache_stats();
  CHECK(stats.made > 3000);
  CHECK(stats.graphs <= 32);
  pass(2000);
  pass(2001);
  CHECK(flow.cache_stats().graphs <= 32);
  CHECK(flow.cache_stats().size <= std::size_t{1} << 18);
}

TEST_CASE("flow cache: no tensor is left over from 10,000 steps of varying shapes", "[slow]") {
  const Threads threads(2);
  FlowEngine flow(FlowEngine::Use::Always);
  const EngineGuard guard(flow);
  constexpr std::int64_t kKept = 1 << 20;  // more than the changes that threads keep to themselves
  const Tensor w = ones({16, 16}, requires_grad());
  const auto step = [&](int i) {
    const Tensor x = ones({1 + i % 37, 16});
    Tensor y = x;
    for (int layer = 0; layer <= i % 5; ++layer) {
      y = tanh(matmul(y, w));
    }
    int updates = 0;
    const std::vector<PassTask> tasks = {{.leaves = {w}, .run = [&] {
                                            ++updates;
                                            w.mutable_grad() = Tensor();
                                          }}};
    autograd::backward({y.sum()}, {}, {.tasks = tasks});
    return updates;
  };
  std::int64_t before = 0;
  int updates = 0;
  for (int i = 0; i < 10'000; ++i) {
    if (i == 200) {
      before = memory_stats().current_bytes;
    }
    updates += step(i);
  }
  CHECK(updates == 10'000);
  CHECK(memory_stats().current_bytes <= before + kKept);
}
