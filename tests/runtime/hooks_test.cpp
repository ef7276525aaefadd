// What holds for hooks of every kind: recording, exceptions, passes at the same time, passes inside them.
#include <backflow/runtime/tape/hooks.h>

#include <atomic>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/hooks.h>
#include <backflow/tests/support/leaves.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("hooks: what they return is part of the graph under create_graph") {
  const Tensor x = tensor({3.0}, TensorOptions(kFloat64).requires_grad(true));
  const Tensor y = x * x;
  std::vector<bool> recording;
  y.register_hook([&](const Tensor& grad) {
    recording.push_back(GradMode::is_enabled());
    return grad * x;
  });
  const Tensor dx = autograd::grad({y}, {x}, {}, true, true)[0];  // x * 2x
  CHECK(dx.item<double>() == 18);
  CHECK(autograd::grad({dx}, {x}, {}, true)[0].item<double>() == 12);
  y.backward();
  CHECK(recording == std::vector<bool>{true, false});
}

TEST_CASE("hooks: leaves copy what arrives under create_graph") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor dy = tensor({3.0, 4.0});
  x.backward(dy, true, true);
  CHECK(x.grad().data_ptr() != dy.data_ptr());
  const Tensor y = x * 2;
  y.retain_grad();
  y.backward(dy, true, true);
  CHECK(y.grad().data_ptr() != dy.data_ptr());
  x.mutable_grad() = Tensor();
}

TEST_CASE("hooks: the first exception wins, and the pass and the engine survive") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0, 2.0});
    const Tensor y = x * 2;
    const unsigned id = y.register_hook([](const Tensor&) { throw Broken("first"); });
    x.register_hook([](const Tensor&) { throw Broken("second"); });
    CHECK_THROWS_WITH(y.sum().backward({}, true), Equals("first"));
    y.remove_hook(id);
    CHECK_THROWS_WITH(y.sum().backward({}, true), Equals("second"));
    CHECK_FALSE(x.grad().defined());
    CHECK(bitwise_equal(autograd::grad({y.sum()}, {y})[0], tensor({1.0, 1.0})));
  }
}

TEST_CASE("hooks: of passes at the same time, only the one whose hook throws fails") {
  for (const auto& engine : engines()) {
    std::atomic<int> failures{0};
    std::atomic<int> wrong{0};
    Workers workers;
    for (int t = 0; t < 4; ++t) {
      workers.threads.emplace_back([&, t] {
        const EngineGuard guard(*engine);
        for (int i = 0; i < 10; ++i) {
          const Tensor x = leaf({1.0});
          const Tensor y = branches(x, 4, [](int) {});
          if (t == 0) {
            x.register_hook([](const Tensor&) { throw Broken("mine"); });
          }
          try {
            y.backward();
            wrong += t == 0;
          } catch (const Broken&) {
            ++failures;
            wrong += t != 0;
          }
        }
      });
    }
    workers.join();
    CHECK(failures == 10);
    CHECK(wrong == 0);
  }
}

TEST_CASE("hooks: those of one pass never overlap, so that they share without a lock") {
  const Threads threads(4);
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0, 2.0});
    int count = 0;
    bool inside = false;
    bool overlapped = false;
    Tensor total = zeros({});
    for (int i = 0; i < 200; ++i) {
      const Tensor y = tanh(x * i);
      const auto hook = [&] {
        overlapped = overlapped || inside;
        inside = true;
        ++count;
        inside = false;
      };
      y.register_hook([hook](const Tensor&) { hook(); });
      y.grad_fn()->register_prehook([hook](const std::vector<Tensor>&) {
        hook();
        return std::vector<Tensor>();
      });
      total = total + y.sum();
    }
    total.backward();
    CHECK(count == 400);
    CHECK_FALSE(overlapped);
  }
}

TEST_CASE("hooks: may go backward themselves") {
  const Threads threads(GENERATE(1, 4));
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0, 2.0});
    const Tensor w = leaf({1.0});
    Tensor total = zeros({});
    for (int i = 0; i < 30; ++i) {
      const Tensor y = tanh(x * i);
      y.register_hook([&](const Tensor&) {
        const AutoGradMode recording(true);
        branches(w, 3, [](int) {}).backward();
      });
      total = total + y.sum();
    }
    total.backward();
    CHECK(x.grad().defined());
    CHECK(w.grad().defined());
  }
}
