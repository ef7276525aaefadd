// Gradients are the same bits in a hundred runs, on any number of threads and on every engine: graphs in which many
// things run side by side. More networks, each computed once in every way: cuts_test.cpp.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/networks.h>

using namespace backflow;
using test::bitwise_equal;
using test::random_tensor;
using Tensors = std::vector<Tensor>;

namespace {

constexpr int kRuns = 100;

/// Runs `compute` a hundred times, by turns on each engine, on 1, 2, 4 and 8 threads, and compares what it returns with
/// the result of the serial engine on one thread.
void check_deterministic(const std::function<Tensors()>& compute) {
  SerialEngine serial;
  FlowEngine flow;
  FlowEngine always(FlowEngine::Use::Always);
  Engine* const engines[] = {&serial, &flow, &always};
  Tensors expected;
  {
    const test::Threads one(1);
    const EngineGuard guard(serial);
    expected = compute();
  }
  REQUIRE_FALSE(expected.empty());
  int run = 0;
  for (const int n : {1, 2, 4, 8}) {
    const test::Threads threads(n);
    for (int repeat = 0; repeat < kRuns / 4; ++repeat, ++run) {
      const EngineGuard guard(*engines[run % 3]);
      INFO("run " << run << ": " << n << " threads, engine " << run % 3);
      REQUIRE(bitwise_equal(compute(), expected));
    }
  }
}

/// The gradient of a scalar with respect to eight numbers around 1.
void check_small(const std::function<Tensor(const Tensor&)>& build) {
  check_deterministic([&] {
    const Tensor x = (1 + random_tensor({8}, "x") / 8192).requires_grad_();
    Tensors gradients = autograd::grad({build(x)}, {x});
    test::check_is_finite(gradients);
    return gradients;
  });
}

}  // namespace

TEST_CASE("determinism: towers8", "[nn][slow]") {
  const Tensor x = random_tensor({32, 256}, "x");
  check_deterministic([&] {
    manual_seed(1);
    return test::trained(test::towers8(), x);
  });
}

TEST_CASE("determinism: linreg", "[nn]") {
  check_deterministic([] {
    const Tensor x = tensor({{1.F}, {2.F}, {3.F}});
    const Tensor y = tensor({{2.F}, {4.F}, {6.F}});
    const Tensor w = zeros({1, 1}, requires_grad());
    const Tensor b = zeros({1}, requires_grad());
    for (int step = 0; step < 20; ++step) {
      w.mutable_grad() = Tensor();
      b.mutable_grad() = Tensor();
      (matmul(x, w) + b - y).pow(2).mean().backward();
      const NoGradGuard guard;
      w.sub_(w.grad(), 0.01);
      b.sub_(b.grad(), 0.01);
    }
    return Tensors{w.grad(), b.grad(), w.detach(), b.detach()};
  });
}

TEST_CASE("determinism: chain1000", "[nn]") {
  check_small([](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 1000; ++i) {
      y = y * 1.0001;
    }
    return y.sum();
  });
}

TEST_CASE("determinism: tensmul", "[nn]") {
  check_small([](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 1000; ++i) {
      y = y * x;
    }
    return y.sum();
  });
}

TEST_CASE("determinism: wide1000", "[nn]") {
  check_small([](const Tensor& x) {
    Tensors branches;
    for (int i = 0; i < 1000; ++i) {
      branches.push_back(tanh(x * i / 1000));
    }
    return stack(branches).sum();
  });
}

TEST_CASE("determinism: random graphs", "[nn]") {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    for (const std::int64_t size : {3, 40}) {
      check_deterministic([&] {
        const test::Graph graph = test::random_graph(seed, 120, size);
        graph.root.backward();
        Tensors gradients;
        for (const Tensor& leaf : graph.leaves) {
          gradients.push_back(leaf.grad());
        }
        return gradients;
      });
    }
  }
}
