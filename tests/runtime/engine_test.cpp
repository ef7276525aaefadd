// The engines: the same bits, errors, tasks, threads, nesting.
#include <backflow/runtime/engine/engine.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/hooks.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/hooks.h>
#include <backflow/tests/support/leaves.h>
#include <backflow/tests/support/thread_engine.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("engines: random graphs give the same bits on every engine and 1, 2, 4, 8 threads") {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Graph graph = random_graph(seed, 20 + 15 * static_cast<int>(seed), seed == 3 ? 40 : 3);
    SerialEngine serial;
    const auto gradients = [&](Engine& engine) {
      const EngineGuard guard(engine);
      return autograd::grad({graph.root}, graph.leaves, {}, true, false, true);
    };
    const std::vector<Tensor> expected = gradients(serial);
    for (const int n : {1, 2, 4, 8}) {
      const Threads threads(n);
      FlowEngine flow(FlowEngine::Use::Always);
      ThreadEngine plain(n);
      for (int repeat = 0; repeat < 3; ++repeat) {
        CAPTURE(seed, n, repeat);
        CHECK(bitwise_equal(gradients(flow), expected));
        CHECK(bitwise_equal(gradients(plain), expected));
      }
    }
  }
}

TEST_CASE("engines: second derivatives of random graphs give the same bits") {
  const Graph graph = random_graph(11, 40);
  std::vector<std::vector<Tensor>> results;
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    Tensor total = zeros({});
    for (const Tensor& g : autograd::grad({graph.root}, graph.leaves, {}, true, true, true)) {
      total = g.defined() ? total + (g * g).sum() : total;
    }
    results.push_back(autograd::grad({total}, graph.leaves, {}, true, false, true));
    CHECK(bitwise_equal(results.back(), results.front()));
  }
}

TEST_CASE("engines: the first exception is rethrown, and the engine is usable afterwards") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = ones({2}, requires_grad());
    CHECK_THROWS_AS(branches(x, 20,
                             [](int i) {
                               if (i == 7) {
                                 throw Broken("branch 7");
                               }
                             })
                        .backward(),
                    Broken);
    CHECK_THROWS_WITH(branches(x, 3, [](int) { fail("hook: bad (x): need good"); }).backward(),
                      Equals("backward of FunctionNode: hook: bad (x): need good"));
    CHECK_THROWS_AS(branches(x, 3, [](int) { throw Cancelled("cancelled"); }).backward(), Cancelled);
    const Tensor w = ones({2}, requires_grad());
    branches(w, 20, [](int) {}).backward();
    CHECK(w.grad().defined());
  }
}

TEST_CASE("engines: a task starts once, when its leaves are complete, and the pass waits for it") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = tensor({1.0, 2.0}, requires_grad());
    const Tensor w = tensor({3.0, 4.0}, requires_grad());
    const Tensor elsewhere = ones({2}, requires_grad());
    std::atomic<int> started{0};
    std::atomic<int> done{0};
    std::atomic<bool> complete{true};
    Workers workers;
    const auto task = [&](std::vector<Tensor> leaves) {
      return PassTask{leaves, [&, leaves](Completion completion) {
                        ++started;
                        for (const Tensor& leaf : leaves) {
                          complete = complete && (leaf.grad().defined() || leaf.is_same(elsewhere));
                        }
                        workers.threads.emplace_back([&done, completion] {
                          std::this_thread::yield();
                          ++done;
                          completion(nullptr);
                        });
                      }};
    };
    // One thread starts tasks at a time, since the list of workers is a plain one.
    const std::vector<PassTask> tasks = {task({x, w, elsewhere})};
    autograd::backward({(x * w * tanh(w)).sum()}, {}, {.tasks = tasks});
    CHECK(started == 1);
    CHECK(done == 1);
    CHECK(complete);
    workers.join();
    const std::vector<PassTask> nothing = {task({elsewhere})};
    autograd::backward({(x * w).sum()}, {}, {.tasks = nothing});
    CHECK(started == 2);
    CHECK(done == 2);
  }
}

TEST_CASE("engines: what is sent starts before the gradients of other operands are computed") {
  const Tensor x = rand({64, 512});
  const std::vector<Tensor> weights = {rand({512, 512}).set_requires_grad(true),
                                       rand({512, 512}).set_requires_grad(true)};
  std::vector<std::string> events;
  std::mutex mutex;  // of the events: hook and task run on any thread
  const auto note = [&](const char* event) {
    const std::lock_guard lock(mutex);
    events.emplace_back(event);
  };
  const auto gradients = [&](bool sends) {
    events.clear();
    const Tensor hidden = relu(linear(x, weights[0]));
    hidden.register_hook([&](const Tensor&) { note("hidden"); });
    std::vector<PassTask> tasks(1);
    tasks[0].leaves = {weights[1]};
    if (sends) {
      tasks[0].start = [&](const Completion& done) {
        note("weight");
        done(nullptr);
      };
    } else {
      tasks[0].run = [&] { note("weight"); };
    }
    autograd::backward({linear(hidden, weights[1]).sum()}, {}, {.tasks = tasks});
    std::vector<Tensor> all;
    for (const Tensor& w : weights) {
      all.push_back(w.grad());
      w.mutable_grad() = Tensor();
    }
    return all;
  };
  SerialEngine serial;
  std::vector<Tensor> expected;
  {
    const EngineGuard guard(serial);
    expected = gradients(false);
    CHECK(bitwise_equal(gradients(true), expected));
    CHECK(events == std::vector<std::string>{"weight", "hidden"});
  }
  for (const int n : {1, 2, 8}) {
    const Threads threads(n);
    FlowEngine flow(FlowEngine::Use::Always);
    const EngineGuard guard(flow);
    CHECK(bitwise_equal(gradients(true), expected));
    CHECK(events.size() == 2);
  }
}

TEST_CASE("engines: a task's error, and tasks of a pass that failed") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = ones({2}, requires_grad());
    const Tensor w = ones({2}, requires_grad());
    std::atomic<int> started{0};
    Workers workers;
    const std::vector<PassTask> failing = {{{x}, [&](Completion done) {
                                              ++started;
                                              workers.threads.emplace_back(
                                                  [done] { done(std::make_exception_ptr(Broken("task"))); });
                                            }}};
    CHECK_THROWS_AS(autograd::backward({(x * w).sum()}, {}, {.tasks = failing}), Broken);
    workers.join();
    const std::vector<PassTask> throwing = {{{x}, [](Completion) { throw Broken("start"); }}};
    CHECK_THROWS_AS(autograd::backward({(x * w).sum()}, {}, {.tasks = throwing}), Broken);
    // The node before x throws, so the task that waits for x never starts; the pass ends all the same.
    const Tensor y = hooked(x, [] { throw Broken("node"); });
    CHECK_THROWS_AS(autograd::backward({(y * w).sum()}, {}, {.tasks = failing}), Broken);
    CHECK(started == 1);
    (x * w).sum().backward();
    CHECK(x.grad().defined());
  }
}

TEST_CASE("engines: many threads go backward over graphs of their own, and over one that they share") {
  for (const auto& engine : engines()) {
    const Graph shared = random_graph(5, 60);
    const std::vector<Tensor> expected = autograd::grad({shared.root}, shared.leaves, {}, true, false, true);
    std::atomic<int> wrong{0};
    Workers workers;
    for (std::uint64_t t = 0; t < 4; ++t) {
      workers.threads.emplace_back([&, t] {
        const EngineGuard guard(*engine);
        for (int repeat = 0; repeat < 4; ++repeat) {
          wrong += !bitwise_equal(autograd::grad({shared.root}, shared.leaves, {}, true, false, true), expected);
          const Graph own = random_graph(100 + t, 30);
          own.root.backward();
          const Graph again = random_graph(100 + t, 30);
          wrong += !bitwise_equal(autograd::grad({again.root}, {again.leaves[0]}, {}, true, false, true)[0],
                                  own.leaves[0].grad());
        }
      });
    }
    workers.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("engines: many threads accumulate into one leaf") {
  for (const auto& engine : engines()) {
    const Tensor x = ones({2}, requires_grad());
    Workers workers;
    for (int t = 0; t < 4; ++t) {
      workers.threads.emplace_back([&] {
        const EngineGuard guard(*engine);
        for (int repeat = 0; repeat < 10; ++repeat) {
          (x * 2).sum().backward();
        }
      });
    }
    workers.join();
    CHECK(bitwise_equal(x.grad(), tensor({80.0, 80.0})));
  }
}

TEST_CASE("engines: backward inside a backward, in many branches") {
  for (const int n : {1, 2, 8}) {
    const Threads threads(n);
    for (const auto& engine : engines()) {
      Engine& nested_engine = *engine;
      std::atomic<int> calls{0};
      const Tensor x = ones({2}, requires_grad());
      const EngineGuard guard(nested_engine);
      branches(x, 200, [&](int) {
        const EngineGuard inner(nested_engine);
        const AutoGradMode mode(true);
        const Tensor w = ones({2}, requires_grad());
        branches(w, 3, [](int) {}).backward();
        ++calls;
      }).backward();
      CHECK(calls == 200);
      CHECK(x.grad().defined());
    }
  }
}

TEST_CASE("engines: nested passes do not pile up on the stack of a thread that waits") {
  const Threads threads(4);
  FlowEngine flow(FlowEngine::Use::Always);
  const EngineGuard guard(flow);
  std::atomic<int> deepest{0};
  const Tensor x = ones({2}, requires_grad());
  branches(x, 1000, [&](int) {
    thread_local int depth = 0;
    ++depth;
    for (int seen = deepest; depth > seen && !deepest.compare_exchange_weak(seen, depth);) {
    }
    const EngineGuard inner(flow);
    const AutoGradMode mode(true);
    const Tensor w = ones({2}, requires_grad());
    branches(w, 8, [](int) {
      for (int i = 0; i < 20; ++i) {
        std::this_thread::yield();  // so that others take some of the branches
      }
    }).backward();
    --depth;
  }).backward();
  CHECK(deepest <= FlowEngine::kMaxNesting + 1);
}

TEST_CASE("engines: nodes off the path to the inputs never run") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0});
    const Tensor w = leaf({2.0});
    const Tensor y = x * 3;
    const Tensor poisoned = hooked(w, [] { throw Broken("off the path"); });
    const Tensor below = hooked(x, [] { throw Broken("below the captured"); }) * 2;
    CHECK(autograd::grad({y * poisoned}, {y}, {}, true)[0].item<float>() == 2);
    CHECK(autograd::grad({below * 4}, {below}, {}, true)[0].item<float>() == 4);
    autograd::backward({y * poisoned}, {}, true, false, {x});
    CHECK(x.grad().item<float>() == 6);
    CHECK_THROWS_AS(autograd::grad({y * poisoned}, {w}), Broken);
  }
}

TEST_CASE("engines: a gradient that is handed to three branches is not changed by their sums") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0});
    const Tensor y = leaf({1.0});
    // One buffer goes to x, y and z as it is; z's own gradient arrives from elsewhere too and is added up.
    const Tensor z = x * 16 + y * 8;
    const Tensor all = recorded(x + y + z, {x, y, z}, [](NodeCall& call) {
      for (Tensor& dx : call.dx) {
        dx = call.dy[0];
      }
    });
    const Tensor dy = tensor({1.0});
    autograd::backward({all, z, x, x}, {dy, dy, dy, dy});
    CHECK(x.grad().item<float>() == 35);  // 1 + 16 * 2 + 2
    CHECK(y.grad().item<float>() == 17);  // 1 + 8 * 2
    CHECK(dy.item<float>() == 1);
  }
}

TEST_CASE("engines: undefined gradients are skipped by nodes, sums, hooks and leaves") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0});
    int calls = 0;
    x.register_hook([&](const Tensor&) { ++calls; });
    register_post_accumulate_grad_hook(x, [&](const Tensor&) { ++calls; });
    const auto none = [](NodeCall&) {};
    const Tensor through = hooked(x, [&] { ++calls; });
    recorded(through, {through}, none).backward();
    CHECK(calls == 0);
    CHECK_FALSE(x.grad().defined());
    (recorded(x, {x}, none) + x).backward();
    CHECK(calls == 2);
    CHECK(x.grad().item<float>() == 1);
  }
}
