// Passes from several threads, passes inside passes, and what a pass brings to the threads that run it.
#include <any>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/tape/custom_function.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/hooks.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>

using namespace backflow;
using namespace backflow::test;
using autograd::AutogradContext;
using autograd::variable_list;

namespace {

struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The identity, whose backward goes backward over another graph first.
struct Reenter : autograd::Function<Reenter> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const std::vector<Tensor>& inner) {
    ctx->saved_data["inner"] = inner[0];
    return x.clone();
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    const Tensor inner = ctx->saved_data["inner"].toTensor();
    inner.backward({}, true);
    return {dy[0], Tensor()};
  }
};

/// A scalar whose backward goes backward over another, and that over the next, `depth` levels deep; each adds 1 to the
/// gradient of `x`, after `bottom` has been called.
Tensor nest_of_functions(const Tensor& x, int depth, const std::function<void()>& bottom) {
  Tensor y = hooked(x, bottom) * 1;
  for (int i = 0; i < depth; ++i) {
    y = Reenter::apply(x, std::vector<Tensor>{y});
  }
  return y;
}

/// The same with tensor hooks.
Tensor nest_of_hooks(const Tensor& x, int depth, const std::function<void()>& bottom) {
  Tensor y = hooked(x, bottom) * 1;
  for (int i = 0; i < depth; ++i) {
    const Tensor outer = x * 1;
    outer.register_hook([inner = y](const Tensor&) { inner.backward({}, true); });
    y = outer;
  }
  return y;
}

using Nest = Tensor (*)(const Tensor&, int, const std::function<void()>&);
constexpr Nest kNests[] = {nest_of_functions, nest_of_hooks};

std::vector<std::unique_ptr<Engine>> pool_engines() {
  std::vector<std::unique_ptr<Engine>> all;
  all.push_back(std::make_unique<SerialEngine>());
  all.push_back(std::make_unique<FlowEngine>());
  all.push_back(std::make_unique<FlowEngine>(FlowEngine::Use::Always));
  return all;
}

constexpr int kDepth = 8000;

}  // namespace

TEST_CASE("threads: five on a graph of which they share a part, each with retain_graph") {
  for (const auto& engine : engines()) {
    const Tensor x = ones({5, 5}, requires_grad());
    const Tensor shared = x.detach() * x;
    std::atomic<int> failures{0};
    Workers workers;
    for (int t = 0; t < 5; ++t) {
      workers.threads.emplace_back([&] {
        const EngineGuard guard(*engine);
        try {
          (shared * shared * 0.5).sum().backward({}, true);
        } catch (...) {
          ++failures;
        }
      });
    }
    workers.join();
    CHECK(failures == 0);
    CHECK(bitwise_equal(x.grad(), full({5, 5}, 5.0)));
  }
}

TEST_CASE("threads: five on a shared graph that the first frees: the others are told so") {
  for (const auto& engine : engines()) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      const Tensor x = ones({5, 5}, requires_grad());
      const Tensor shared = tanh(x * x);
      std::atomic<int> successes{0};
      std::atomic<int> wrong{0};
      Workers workers;
      for (int t = 0; t < 5; ++t) {
        workers.threads.emplace_back([&] {
          const EngineGuard guard(*engine);
          try {
            (shared * 2).sum().backward();
            ++successes;
          } catch (const Error& error) {
            wrong += std::string(error.what()).find("retain_graph=true") == std::string::npos;
          }
        });
      }
      workers.join();
      CHECK(successes >= 1);
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("threads: five on graphs of their own") {
  for (const auto& engine : engines()) {
    std::atomic<int> wrong{0};
    Workers workers;
    for (int t = 0; t < 5; ++t) {
      workers.threads.emplace_back([&] {
        const EngineGuard guard(*engine);
        const Tensor x = ones({5, 5}, requires_grad());
        ((x + 3) * (x + 4) * 0.5).sum().backward();
        wrong += !bitwise_equal(x.grad(), (x.detach() + 3.5));
      });
    }
    workers.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("threads: a pass runs none of another thread's nodes while its caller holds a lock") {
  FlowEngine flow(FlowEngine::Use::Always);
  const Threads threads(4);
  std::mutex mutex;
  Workers workers;
  const Tensor x = ones({2}, requires_grad());
  for (int t = 0; t < 4; ++t) {
    workers.threads.emplace_back([&, t] {
      const EngineGuard guard(flow);
      for (int i = 0; i < 50; ++i) {
        if (t % 2 == 0) {
          const std::lock_guard lock(mutex);
          branches(x, 20, [](int) { std::this_thread::yield(); }).backward();
        } else {
          branches(x, 20, [&](int) { const std::lock_guard lock(mutex); }).backward();
        }
      }
    });
  }
  workers.join();
  CHECK(x.grad().defined());
}

TEST_CASE("threads: passes nest 8,000 deep, through functions and hooks, twice in a row") {
  for (const int n : {1, 4}) {
    const Threads threads(n);
    for (const auto& engine : pool_engines()) {
      const EngineGuard guard(*engine);
      for (const Nest nest : kNests) {
        const Tensor x = ones({1}, requires_grad());
        int reached = 0;
        const Tensor y = nest(x, kDepth, [&] { ++reached; });
        y.backward({}, true);
        y.backward();
        CHECK(reached == 2);
        CHECK(x.grad().item<float>() == 2 * (kDepth + 1));
      }
    }
  }
}

TEST_CASE("threads: an exception at the bottom of deep nests comes out at the top") {
  for (const int n : {1, 4}) {
    const Threads threads(n);
    for (const auto& engine : pool_engines()) {
      const EngineGuard guard(*engine);
      for (const Nest nest : kNests) {
        const Tensor x = ones({1}, requires_grad());
        bool throws = true;
        const Tensor y = nest(x, 500, [&] {
          if (throws) {
            throw Broken("bottom");
          }
        });
        CHECK_THROWS_WITH(y.backward({}, true), Equals("bottom"));
        CHECK_FALSE(x.grad().defined());
        throws = false;
        y.backward();
        CHECK(x.grad().item<float>() == 501);
      }
    }
  }
}

TEST_CASE("threads: deep nests on several threads at once") {
  const Threads threads(4);
  for (const auto& engine : pool_engines()) {
    std::atomic<int> wrong{0};
    Workers workers;
    for (int t = 0; t < 4; ++t) {
      workers.threads.emplace_back([&, t] {
        const EngineGuard guard(*engine);
        const Tensor x = ones({1}, requires_grad());
        kNests[t % 2](x, 600, [] {}).backward();
        wrong += x.grad().item<float>() != 601;
      });
    }
    workers.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("threads: nodes see the settings of the caller, wherever they run") {
  const Threads threads(4);
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    for (const bool create_graph : {false, true}) {
      std::atomic<int> packed{0};
      std::atomic<int> wrong{0};
      const Tensor x = ones({2}, requires_grad());
      const Tensor w = ones({2}, requires_grad());
      const Tensor y = branches(x, 40, [&](int) {
        wrong += GradMode::is_enabled() != create_graph;
        wrong += InferenceMode::is_enabled();
        wrong += &current_engine() != engine.get();
        const AutoGradMode recording(true);
        (void)tanh(w);  // saves its result
      });
      y.register_hook([&](const Tensor&) { wrong += GradMode::is_enabled() != create_graph; });
      const SavedTensorHooks hooks(
          [&](const Tensor& t) -> std::any {
            ++packed;
            return t;
          },
          [](const std::any& t) { return std::any_cast<const Tensor&>(t); });
      const NoGradGuard no_grad;
      autograd::grad({y}, {x}, {}, true, create_graph);
      CHECK(packed >= 40);
      CHECK(wrong == 0);
      CHECK_FALSE(GradMode::is_enabled());
    }
  }
}
