// Hooks of nodes, of leaves after the addition, and of several gradients.
#include <backflow/runtime/engine/multi_grad_hook.h>
#include <backflow/runtime/tape/hooks.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/grad_mode.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/hooks.h>
#include <backflow/tests/support/leaves.h>

using namespace backflow;
using namespace backflow::test;
using autograd::MultiGradMode;
using autograd::register_multi_grad_hook;

namespace {

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
