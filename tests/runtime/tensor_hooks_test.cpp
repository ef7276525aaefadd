// Hooks of tensors, and gradients that are retained.
#include <backflow/runtime/tape/hooks.h>

#include <cstdint>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tape/grad_mode.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/hooks.h>
#include <backflow/tests/support/leaves.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("tensor hooks: see the gradient, and replace it with what they return") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor y = x * x;
  Log log;
  y.register_hook(log.note("void"));
  y.register_hook([](const Tensor& grad) { return grad * 3; });
  y.register_hook([&](const Tensor& grad) {
    log.note("after")(grad);
    return Tensor();
  });
  y.sum().backward();
  CHECK(log.text == "void1 after3 ");
  CHECK(bitwise_equal(x.grad(), tensor({6.0, 12.0})));
}

TEST_CASE("tensor hooks: a leaf's hook runs once a backward, on the sum") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0, 2.0});
    Log log;
    x.register_hook(log.note("x"));
    x.register_hook([](const Tensor& grad) { return grad * 2; });
    const Tensor y = (x * 2 + x * 3 + x).sum();
    y.backward({}, true);
    y.backward();
    CHECK(log.text == "x6 x6 ");
    CHECK(bitwise_equal(x.grad(), tensor({24.0, 24.0})));
  }
}

TEST_CASE("tensor hooks: removed, also while they run and when the graph is gone") {
  const Tensor x = leaf({1.0, 2.0});
  Log log;
  const unsigned a = x.register_hook(log.note("a"));
  x.register_hook(log.note("b"));
  unsigned c = 0;
  c = x.register_hook([&](const Tensor& grad) {
    log.note("c")(grad);
    x.remove_hook(c);
  });
  (x * 1).sum().backward();
  x.remove_hook(a);
  x.remove_hook(a);
  (x * 1).sum().backward();
  CHECK(log.text == "a1 b1 c1 b1 ");
  CHECK_THROWS_WITH(x.remove_hook(3), StartsWith("remove_hook: 3 of f32[2]"));
  Tensor y = x * 2;
  const unsigned d = y.register_hook(log.note("d"));
  const NoGradGuard no_grad;
  y.detach_();
  y.remove_hook(d);
  CHECK_THROWS_WITH(ones({2}).register_hook(log.note("e")),
                    StartsWith("register_hook: f32[2] requires no gradient: need one that does"));
}

TEST_CASE("tensor hooks: a hook that adds a hook does not run it yet") {
  const Tensor x = leaf({1.0});
  const Tensor y = x * 2;
  Log log;
  y.register_hook([&](const Tensor&) { y.register_hook(log.note("new")); });
  y.backward({}, true);
  CHECK(log.text.empty());
  y.backward();
  CHECK(log.text == "new1 ");
}

TEST_CASE("tensor hooks: grad captures what they return, and tensors off the path have theirs left alone") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor w = leaf({3.0, 4.0});
  Log log;
  const Tensor y = x * 2;
  const Tensor aside = w * 2;
  x.register_hook([](const Tensor& grad) { return grad * 10; });
  y.register_hook([](const Tensor& grad) { return grad * 5; });
  aside.register_hook(log.note("aside"));
  w.register_hook(log.note("w"));
  const Tensor root = (y * aside).sum();
  const auto g = autograd::grad({root}, {x, y}, {}, true);
  CHECK(bitwise_equal(g[0], tensor({600.0, 800.0})));
  CHECK(bitwise_equal(g[1], tensor({30.0, 40.0})));
  CHECK(log.text.empty());
  CHECK(bitwise_equal(autograd::grad({root}, {y})[0], tensor({30.0, 40.0})));
}

TEST_CASE("tensor hooks: a result of another shape or dtype is an error that names the node") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0, 2.0});
    const Tensor y = x * x;
    const unsigned wrong = y.register_hook([](const Tensor&) { return ones({3}); });
    CHECK_THROWS_WITH(y.sum().backward({}, true),
                      Equals("backward of MulBackward0: tensor hook: returned f32[3] for a gradient f32[2]: need the "
                             "same shape and dtype"));
    y.remove_hook(wrong);
    x.register_hook([](const Tensor& grad) { return grad.to(kFloat64); });
    CHECK_THROWS_WITH(y.sum().backward(),
                      ContainsSubstring("backward of AccumulateGrad: tensor hook: returned f64[2]"));
  }
}

TEST_CASE("tensor hooks: belong to a leaf before and after its accumulator, and survive the graph") {
  const Tensor x = leaf({1.0});
  Log log;
  x.register_hook(log.note("early"));
  {
    const Tensor y = x * 2;
    x.register_hook(log.note("late"));
    y.backward();
  }
  CHECK(log.text == "early2 late2 ");
  x.register_hook(log.note("after"));
  (x * 3).backward();
  CHECK(log.text == "early2 late2 early3 late3 after3 ");
}

TEST_CASE("tensor hooks: in-place changes leave them with the value that they were registered for") {
  const Tensor x = leaf({1.0, 1.0});
  Log log;
  const Tensor y = x * 2;
  y.register_hook(log.note("a"));
  y.retain_grad();
  y.mul_(3);
  const unsigned b = y.register_hook(log.note("b"));
  y.mul_(5);
  y.register_hook(log.note("c"));
  const Tensor root = y.sum();
  root.backward({}, true);
  CHECK(log.text == "c1 b5 a15 ");
  CHECK(bitwise_equal(y.grad(), tensor({1.0, 1.0})));
  CHECK(bitwise_equal(x.grad(), tensor({30.0, 30.0})));
  y.remove_hook(b);
  root.backward();
  CHECK(log.text == "c1 b5 a15 c1 a15 ");
}

TEST_CASE("retain_grad: sees the gradient after all hooks, whenever they were registered") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor y = x * 2;
  y.register_hook([](const Tensor& grad) { return grad * 2; });
  y.retain_grad();
  y.retain_grad();
  CHECK(y.retains_grad());
  y.register_hook([](const Tensor& grad) { return grad * 5; });
  const Tensor root = y.sum();
  root.backward({}, true);
  CHECK(bitwise_equal(y.grad(), tensor({10.0, 10.0})));
  const Tensor first = y.grad();  // NOLINT(performance-unnecessary-copy-initialization): the one of now
  root.backward();
  CHECK(bitwise_equal(y.grad(), tensor({20.0, 20.0})));
  CHECK(bitwise_equal(first, tensor({10.0, 10.0})));
  x.retain_grad();
  CHECK_FALSE(x.retains_grad());
  CHECK_THROWS_WITH(ones({2}).retain_grad(), StartsWith("retain_grad: f32[2] requires no gradient"));
}

TEST_CASE("retain_grad: works in grad, and backward for inputs sets it up without adding twice") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor y = x * 2;
  y.retain_grad();
  y.sum().backward({}, true, false, std::vector<Tensor>{y, y});
  CHECK(bitwise_equal(y.grad(), tensor({1.0, 1.0})));
  CHECK_FALSE(x.grad().defined());
  autograd::grad({y.sum()}, {x}, {}, true);
  CHECK(bitwise_equal(y.grad(), tensor({2.0, 2.0})));
  const Tensor z = y * 3;
  z.sum().backward({}, true, false, std::vector<Tensor>{z});
  CHECK(z.retains_grad());
}

TEST_CASE("retain_grad: follows a tensor through changes in place, and so does that of another view") {
  const Tensor x = leaf({1.0, 1.0, 1.0, 1.0});
  const Tensor base = x * 1;
  const Tensor v = base.view({2, 2})[0];
  const Tensor w = base.view({2, 2})[0];
  v.retain_grad();
  w.retain_grad();
  v.mul_(2);
  ((v * 3).sum() + w.sum()).backward();
  CHECK(bitwise_equal(v.grad(), tensor({3.0, 3.0})));
  CHECK(bitwise_equal(w.grad(), tensor({1.0, 1.0})));
  CHECK(bitwise_equal(x.grad(), tensor({8.0, 8.0, 0.0, 0.0})));
  // Not used any more after the change of the base: its present value has no gradient.
  const Tensor y = leaf({1.0, 1.0}) * 1;
  const Tensor u = y[0];
  u.retain_grad();
  y.mul_(2);
  y.sum().backward();
  CHECK_FALSE(u.grad().defined());
}

TEST_CASE("retain_grad: a tensor that is gone leaves nothing behind") {
  const std::int64_t before = memory_stats().current_bytes;
  {
    const Tensor x = ones({256, 1024}, requires_grad());
    Tensor y = x * x;
    y.register_hook([](const Tensor&) {});
    y.retain_grad();
    const Tensor root = (y * y).sum();
    root.backward({}, true, true);
    CHECK(y.grad().requires_grad());
    x.mutable_grad() = Tensor();
    y = Tensor();
    root.backward({}, true);
  }
  CHECK(memory_stats().current_bytes - before < 1 << 20);
}
