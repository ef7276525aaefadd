// Hooks of tensors, nodes and leaves.
#include <backflow/runtime/hooks.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include <backflow/ops/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/accumulate_grad.h>
#include <backflow/runtime/autograd.h>
#include <backflow/runtime/grad_mode.h>
#include <backflow/runtime/memory.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>

using namespace backflow;
using namespace backflow::test;
using autograd::MultiGradMode;
using autograd::register_multi_grad_hook;

namespace {

struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Tensor leaf(std::initializer_list<NestedNumbers> values) { return tensor(values, requires_grad()); }

/// The values that a hook was called with, as text.
struct Log {
  std::string text;
  auto note(const std::string& name) {
    return [this, name](const Tensor& grad) {
      text += name + std::to_string(static_cast<int>(grad.select(0, 0).item<float>())) + " ";
    };
  }
};

class Scale final : public FunctionPreHook {
 public:
  explicit Scale(double factor) : factor_(factor) {}
  variable_list operator()(const variable_list& grads) override { return {grads[0] * factor_}; }

 private:
  double factor_;
};

class ScaleInputs final : public FunctionPostHook {
 public:
  variable_list operator()(const variable_list& grad_inputs, const variable_list& grad_outputs) override {
    variable_list result = grad_inputs;
    result[0] = grad_inputs[0] + grad_outputs[0] * 100;
    return result;
  }
};

}  // namespace

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
  const Tensor first = y.grad();
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

TEST_CASE("node hooks: before and after, as classes and as functions") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor w = leaf({3.0, 4.0});
  const Tensor y = x * w;
  Log log;
  y.register_hook(log.note("tensor"));
  y.grad_fn()->add_pre_hook(std::make_unique<Scale>(2));
  RemovableHandle pre = y.grad_fn()->register_prehook([&](const std::vector<Tensor>& dy) {
    log.note("pre")(dy[0]);
    return std::vector<Tensor>();
  });
  const std::uintptr_t post = y.grad_fn()->add_post_hook(std::make_unique<ScaleInputs>());
  RemovableHandle last = y.grad_fn()->register_hook([&](const std::vector<Tensor>& dx, const std::vector<Tensor>& dy) {
    log.note("dx")(dx[0]);
    log.note("dy")(dy[0]);
    return std::vector<Tensor>();
  });
  y.sum().backward({}, true);
  CHECK(log.text == "tensor1 pre2 dx206 dy2 ");
  CHECK(bitwise_equal(x.grad(), tensor({206.0, 208.0})));
  CHECK(bitwise_equal(w.grad(), tensor({2.0, 4.0})));
  CHECK(y.grad_fn()->del_post_hook(post));
  CHECK_FALSE(y.grad_fn()->del_post_hook(post));
  pre.remove();
  pre.remove();
  last.remove();
  x.mutable_grad() = Tensor();
  y.sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({6.0, 8.0})));
  CHECK(log.text == "tensor1 pre2 dx206 dy2 tensor1 ");
}

TEST_CASE("node hooks: an undefined gradient in their result takes one away, a wrong number is an error") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor w = leaf({3.0, 4.0});
  const Tensor y = x * w;
  y.grad_fn()->register_hook([](const std::vector<Tensor>& dx, const std::vector<Tensor>&) {
    return std::vector<Tensor>{Tensor(), dx[1] * 5};
  });
  y.sum().backward({}, true);
  CHECK_FALSE(x.grad().defined());
  CHECK(bitwise_equal(w.grad(), tensor({5.0, 10.0})));
  y.grad_fn()->register_prehook([](const std::vector<Tensor>&) { return std::vector<Tensor>(2); });
  CHECK_THROWS_WITH(y.sum().backward(), Equals("backward of MulBackward0: pre-hook: returned 2 gradients: need 1"));
}

TEST_CASE("node hooks: a node that grad only captures at does not run them") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor y = x * 2;
  y.grad_fn()->register_prehook([](const std::vector<Tensor>&) -> std::vector<Tensor> { throw Broken("pre"); });
  CHECK(autograd::grad({y.sum()}, {y}, {}, true)[0].defined());
  CHECK_THROWS_AS(y.sum().backward(), Broken);
}

TEST_CASE("post-accumulate hooks: run after the addition, and may take the gradient away") {
  const Tensor x = leaf({1.0, 2.0});
  Log log;
  const auto note = log.note("grad");
  RemovableHandle a = register_post_accumulate_grad_hook(x, [&](const Tensor& leaf) {
    CHECK(leaf.is_same(x));
    note(leaf.grad());
  });
  (x * 2).sum().backward();
  (x * 3).sum().backward();
  CHECK(log.text == "grad2 grad5 ");
  register_post_accumulate_grad_hook(x, [](const Tensor& leaf) { leaf.mutable_grad() = Tensor(); });
  (x * 4).sum().backward();
  CHECK(log.text == "grad2 grad5 grad9 ");
  CHECK_FALSE(x.grad().defined());
  autograd::grad({(x * 4).sum()}, {x});
  a.remove();
  (x * 4).sum().backward();
  CHECK(log.text == "grad2 grad5 grad9 ");
  CHECK_THROWS_WITH(register_post_accumulate_grad_hook(x * 2, [](const Tensor&) {}), ContainsSubstring("need a leaf"));
}

TEST_CASE("post-accumulate hooks: an optimizer step in each, and no copy of the gradient") {
  const Tensor x = leaf({1.0, 2.0});
  const void* arrived = nullptr;
  x.register_hook([&](const Tensor& grad) { arrived = grad.data_ptr(); });
  register_post_accumulate_grad_hook(x, [&](const Tensor& leaf) {
    CHECK(leaf.grad().data_ptr() == arrived);
    const NoGradGuard no_grad;
    leaf.sub_(leaf.grad() * 0.5);
    leaf.mutable_grad() = Tensor();
  });
  (x * x * 1).sum().backward();
  CHECK(bitwise_equal(x.detach(), tensor({0.0, 0.0})));
}

TEST_CASE("multi-gradient hooks: called once in each backward with what it computes") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf({1.0});
    const Tensor w = leaf({2.0});
    const Tensor other = leaf({3.0});
    std::string all;
    int any = 0;
    RemovableHandle handle = register_multi_grad_hook({x, other, w}, [&](const variable_list& grads) {
      for (const Tensor& g : grads) {
        all += g.defined() ? std::to_string(static_cast<int>(g.item<float>())) + " " : "- ";
      }
    });
    register_multi_grad_hook(
        {x, other, w}, [&](const variable_list&) { ++any; }, MultiGradMode::kAny);
    const Tensor y = x * w;
    y.backward({}, true);
    CHECK(all == "2 - 1 ");
    CHECK(any == 1);
    (y * other).backward({}, true);
    CHECK(all == "2 - 1 6 2 3 ");
    CHECK(any == 2);
    handle.remove();
    y.backward();
    CHECK(all == "2 - 1 6 2 3 ");
    CHECK(any == 3);
  }
}

TEST_CASE("multi-gradient hooks: the same tensor twice, outputs of one node, undefined gradients, failed passes") {
  const Tensor x = leaf({1.0});
  const Tensor y = x * 2;
  int calls = 0;
  bool fails = true;
  register_multi_grad_hook({y, y, x}, [&](const variable_list& grads) {
    ++calls;
    CHECK(grads[0].is_same(grads[1]));
  });
  y.register_hook([&](const Tensor&) {
    if (fails) {
      throw Broken("hook");
    }
  });
  CHECK_THROWS_AS(y.backward({}, true), Broken);
  CHECK(calls == 0);
  fails = false;
  y.backward({}, true);
  CHECK(calls == 1);
  // w's gradient stays undefined, but the pass comes by.
  const Tensor w = leaf({1.0});
  const Tensor none = recorded(w, {w}, [](NodeCall&) {});
  int with_undefined = 0;
  register_multi_grad_hook({w, x}, [&](const variable_list& grads) {
    ++with_undefined;
    CHECK_FALSE(grads[0].defined());
    CHECK(grads[1].defined());
  });
  (none + x).backward();
  CHECK(with_undefined == 1);
}

TEST_CASE("multi-gradient hooks: passes that run at the same time do not mix") {
  for (const auto& engine : engines()) {
    const Tensor x = leaf({1.0});
    const Tensor w = leaf({1.0});
    std::atomic<int> calls{0};
    std::atomic<int> wrong{0};
    register_multi_grad_hook({x, w}, [&](const variable_list& grads) {
      ++calls;
      wrong += grads[0].item<float>() != grads[1].item<float>();
    });
    Workers workers;
    for (int t = 1; t <= 4; ++t) {
      workers.threads.emplace_back([&, t] {
        const EngineGuard guard(*engine);
        for (int i = 0; i < 20; ++i) {
          (x * t + w * t).sum().backward();
        }
      });
    }
    workers.join();
    CHECK(calls == 80);
    CHECK(wrong == 0);
  }
}

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
