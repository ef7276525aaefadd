// Views: what they share with their base, and gradients through them before and after changes in place.
#include <array>
#include <string>
#include <thread>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

Tensor leaf(std::vector<std::int64_t> sizes, const std::string& key) {
  Tensor x = random_tensor(std::move(sizes), key, kFloat64);
  x.requires_grad_();
  return x;
}

/// The gradient of `root`, a scalar, with respect to `x`.
Tensor gradient(const Tensor& root, const Tensor& x) { return autograd::grad({root}, {x})[0]; }

}  // namespace

TEST_CASE("views: is_view, _base and is_alias_of") {
  const Tensor x = zeros({2, 3});
  const Tensor row = x[0];
  const Tensor element = row[1];
  CHECK_FALSE(x.is_view());
  CHECK(row.is_view());
  CHECK(row._base().is_same(x));
  CHECK(element._base().is_same(x));
  CHECK(x.t().is_view());
  CHECK(x.view({6}).is_view());
  CHECK(x.reshape({3, 2}).is_view());
  CHECK_FALSE(x.t().reshape({6}).is_view());
  CHECK(x.expand({4, 2, 3}).is_view());
  CHECK(x.as_strided({2}, {1}, 1)._base().is_same(x));
  CHECK_FALSE(x.clone().is_view());
  CHECK(x.contiguous().is_same(x));
  CHECK_FALSE(x.t().contiguous().is_view());
  CHECK_FALSE(x.detach().is_view());
  CHECK_FALSE(row.detach().is_view());
  CHECK_FALSE(row.data().is_view());
  CHECK(row.is_alias_of(x));
  CHECK(x.is_alias_of(element));
  CHECK(x.detach().is_alias_of(element));
  CHECK(x.data().is_alias_of(element));
  CHECK(x.data().is_alias_of(row.data()));
  CHECK_FALSE(x.clone().is_alias_of(x));
  CHECK_THROWS_WITH(x._base(), Equals("_base: f32[2, 3] is no view: need one"));
}

TEST_CASE("views: a view keeps its base alive, not the other way round") {
  const std::int64_t before = memory_stats().current_bytes;
  {
    Tensor x = zeros({1000});
    Tensor v = x[0];
    x.reset();
    CHECK_FALSE(x.defined());
    CHECK(v._base().numel() == 1000);
    x = v._base();
    CHECK(x.use_count() == 2);
    v.reset();
    CHECK(x.use_count() == 1);
  }
  CHECK(memory_stats().current_bytes == before);
}

TEST_CASE("views: a change of the base reaches views of views") {
  const Tensor w = leaf({2, 3}, "w");
  const Tensor y = w * 1;
  const Tensor column = y.t()[1];
  const Tensor element = column[0];
  y.mul_(w);
  CHECK(column.grad_fn()->name() == "AsStridedBackward0");
  CHECK(bitwise_equal(gradient(element, w), tensor({{0.0, 1.0, 0.0}, {0.0, 0.0, 0.0}}, kFloat64) * w.detach() * 2));
}

TEST_CASE("views: a change through a view of a view reaches the base and sibling views") {
  const Tensor w = leaf({2, 3}, "w");
  const auto changed = [&] {
    const Tensor y = w * 2;
    const Tensor sibling = y.view({6});
    y.t()[1].mul_(3);
    return std::array<Tensor, 2>{y, sibling};
  };
  const Tensor expected = tensor({{2.0, 6.0, 2.0}, {2.0, 6.0, 2.0}}, kFloat64);
  CHECK(bitwise_equal(gradient(changed()[0].sum(), w), expected));
  CHECK(bitwise_equal(gradient(changed()[1].sum(), w), expected));
  CHECK(changed()[0].grad_fn()->name() == "CopySlices");
}

TEST_CASE("views: a change through one sibling leaves the gradient of disjoint others") {
  const Tensor w = leaf({3}, "w");
  const Tensor y = w * 2;
  const Tensor first = y[0];
  const Tensor last = y[2];
  first.mul_(5);
  CHECK(bitwise_equal(gradient(last, w), tensor({0.0, 0.0, 2.0}, kFloat64)));
  CHECK(bitwise_equal(gradient(w.sum() * 0 + y[0], w), tensor({10.0, 0.0, 0.0}, kFloat64)));
}

TEST_CASE("views: a base without history joins the tape through its view, and with it earlier views") {
  const Tensor w = leaf({3}, "w");
  const Tensor x = zeros({2, 3}, kFloat64);
  const Tensor before = x.select(1, 0);
  const Tensor row = x[0];
  CHECK_FALSE(before.requires_grad());
  CHECK(before.grad_fn() == nullptr);
  row.add_(w);
  CHECK(x.requires_grad());
  CHECK_FALSE(x.is_leaf());
  CHECK(before.requires_grad());
  CHECK_FALSE(before.is_leaf());
  CHECK(row.grad_fn()->name() == "AsStridedBackward0");
  CHECK(bitwise_equal(gradient(before.sum(), w), tensor({1.0, 0.0, 0.0}, kFloat64)));
}

TEST_CASE("views: a change through an expanded view is refused, one of what is under it reaches it") {
  const Tensor w = leaf({2}, "w");
  const Tensor y = w * 1;
  const Tensor wide = y.expand({3, 2});
  CHECK_THROWS_WITH(wide.add_(1), Equals("add_: f64[3, 2] has elements that share memory: need a tensor whose elements "
                                         "are its own; clone() gives one"));
  y.mul_(2);
  CHECK(bitwise_equal(gradient(wide.sum(), w), tensor({6.0, 6.0}, kFloat64)));
  CHECK_NOTHROW(zeros({1, 2}).expand({1, 2}).add_(1));
}

TEST_CASE("views: changes through transposed and strided views of a base that is not row-major") {
  for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided}) {
    INFO(name(layout));
    const Tensor w = leaf({2, 3}, "w");
    const Tensor x = tensor_of(random_array({2, 3}, "x"), kFloat64, layout);
    const Tensor was = x.clone();
    const Tensor t = x.t();
    t.mul_(w.t());  // x = w * was
    const Tensor odd = x.as_strided({2, 2}, {x.stride(0), 2 * x.stride(1)});
    odd.pow_(2);  // columns 0 and 2
    CHECK(x.grad_fn()->name() == "CopySlices");
    const Tensor mask = tensor({1.0, 0.0, 1.0}, kFloat64);
    const Tensor expected = was * (mask * w.detach() * was * 2 + (1 - mask));
    CHECK(distance(array_of(autograd::grad({x.sum()}, {w}, {}, true)[0]), array_of(expected)) < 1e-14);
    const Tensor g = gradient((t * w.t()).sum(), w);
    const Tensor product = w.detach() * was;
    const Tensor value = mask * product * product + (1 - mask) * product;
    CHECK(distance(array_of(g), array_of(value + w.detach() * expected)) < 1e-14);
  }
}

TEST_CASE("views: operands that are views of the changed tensor") {
  const Tensor w = tensor({2.0, 3.0}, TensorOptions(kFloat64).requires_grad(true));
  const Tensor y = w * 1;
  y[0].add_(y[1]);
  CHECK(bitwise_equal(gradient(y.sum(), w), tensor({1.0, 2.0}, kFloat64)));
  const Tensor z = w * 1;
  z[0].mul_(z[1]);  // saves z[1], whose storage has changed now
  CHECK_THROWS_WITH(gradient(z.sum(), w),
                    StartsWith("backward of MulBackward0: a tensor saved for backward (f64[], output 0 of "));
  z.detach_();  // as in PyTorch, what an operation saved and then changed keeps itself alive
  const Tensor matrix = (w * 1).expand({2, 2}).clone();
  matrix.add_(matrix.t());
  CHECK(bitwise_equal(gradient(matrix.sum(), w), tensor({4.0, 4.0}, kFloat64)));
}

TEST_CASE("views: an operator that takes several nodes changes a view with its own gradient") {
  const Tensor w = tensor({2.0, 3.0}, TensorOptions(kFloat64).requires_grad(true));
  const Tensor y = w.to(kFloat32) * 1;
  y[0].mul_(w[0].view({1}).sum() * 3);
  y.view({1, 2})[0].mul_(w * 3);  // f64 into f32: the product, then the conversion
  CHECK(y.scalar_type() == kFloat32);
  y.sum().backward();
  // y0 = w0 * 3 w0 * 3 w0, y1 = w1 * 3 w1
  CHECK(bitwise_equal(w.grad(), tensor({27.0 * 4, 18.0}, kFloat64)));
  const Tensor u = tensor({2.0, 3.0}, TensorOptions(kFloat64).requires_grad(true));
  const Tensor z = u.to(kFloat32) * 1;
  z.view({2}).sub_(u, 2);
  CHECK(bitwise_equal(gradient(z.sum(), u), tensor({-1.0, -1.0}, kFloat64)));
}

TEST_CASE("views: a change with recording off leaves histories as they are") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 2;
  const Tensor v = y[0];
  {
    const NoGradGuard guard;
    v.zero_();
    y.add_(1);
  }
  CHECK(y.grad_fn()->name() == "MulBackward0");
  CHECK(v.grad_fn()->name() == "SelectBackward0");
  CHECK(bitwise_equal(gradient(v, w), tensor({2.0, 0.0})));
}

TEST_CASE("views: a view requires a gradient when its base does, though no gradient comes to one made off the tape") {
  const Tensor w = tensor({1.0, 2.0}, requires_grad());
  const Tensor computed = w * 2;
  const Tensor constant = zeros({2});
  const Tensor recorded = constant.view({1, 2});
  Tensor v, u, c;
  {
    const NoGradGuard guard;
    v = w.view({2, 1});
    u = computed[1];
    c = constant[0];
  }
  CHECK(v.requires_grad());
  CHECK(v.is_leaf());
  CHECK(u.requires_grad());
  CHECK_FALSE(v.detach().requires_grad());
  CHECK_FALSE(c.requires_grad());
  constant.requires_grad_();
  CHECK(c.requires_grad());
  CHECK(recorded.requires_grad());
  constant.set_requires_grad(false);
  CHECK_FALSE(recorded.requires_grad());

  const Tensor y = (v.view({2}) * w).sum();
  y.backward({}, true);
  CHECK(bitwise_equal(w.grad(), tensor({1.0, 2.0})));  // of the other factor alone
  CHECK_FALSE(v.grad().defined());
  CHECK_THROWS_WITH(autograd::grad({y}, {v}, {}, true),
                    Equals("grad: input 0 (f32[2, 1]) was not used to compute the outputs: need allow_unused for an "
                           "undefined gradient"));
  CHECK_FALSE(autograd::grad({y}, {v}, {}, true, false, true)[0].defined());
  y.backward({}, true, false, {v});
  CHECK(bitwise_equal(w.grad(), tensor({1.0, 2.0})));
  CHECK_THROWS_WITH(u.backward(), Equals("backward: root 0 (f32[]) is a view made with recording off, which leads "
                                         "nowhere: need one made with recording on"));
  v.requires_grad_();  // now a leaf of its own
  (v * 3).sum().backward();
  CHECK(bitwise_equal(v.grad(), full({2, 1}, 3.0)));
}

TEST_CASE("views: a view made with recording off can't follow a recorded change") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 2;
  Tensor v;
  {
    const NoGradGuard guard;
    v = y[0];
  }
  CHECK(v.requires_grad());
  CHECK(v.is_view());
  CHECK_THROWS_WITH(v.mul_(2),
                    Equals("mul_: f32[] is a view made with recording off: need the view and the change both "
                           "recorded, or neither"));
  CHECK_THROWS_WITH(v.view({1}).mul_(2), StartsWith("mul_: f32[1] is a view made with recording off"));
  CHECK(y._version() == 0);
  {
    const NoGradGuard guard;
    v.mul_(2);
  }
  CHECK(y._version() == 1);
  CHECK(y.grad_fn()->name() == "MulBackward0");
  y.mul_(w.detach());
  CHECK(v.requires_grad());
  const char* message =
      "autograd: f32[] is a view made with recording off, and a recorded operation has changed the elements under it "
      "in place: need the view and the change both recorded, or neither";
  CHECK_THROWS_WITH(v.grad_fn(), Equals(message));
  CHECK_THROWS_WITH(v * 2, Equals(message));
}

TEST_CASE("views: a view made with recording off, of a tensor off the tape, is changed freely") {
  const Tensor x = zeros({2});
  Tensor v;
  {
    const NoGradGuard guard;
    v = x[0];
  }
  v.add_(1);
  CHECK(bitwise_equal(x, tensor({1.0, 0.0})));
  CHECK_THROWS_WITH(v.add_(ones({}, requires_grad())), StartsWith("add_: f32[] is a view made with recording off"));
}

TEST_CASE("views: a view of a leaf that requires a gradient is changed with recording off alone") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor v = w.view({1, 2});
  for (const Tensor& view : {v, v[0], w[0]}) {
    CHECK_THROWS_WITH(view.zero_(), ContainsSubstring(" is a view of a leaf that requires a gradient: need a "
                                                      "NoGradGuard around the change"));
  }
  CHECK(w._version() == 0);
  const NoGradGuard guard;
  v.mul_(2);
  CHECK(bitwise_equal(w.detach(), tensor({4.0, 6.0})));
  CHECK(w._version() == 1);
}

TEST_CASE("views: a view that is a leaf itself becomes part of its base's history") {
  const Tensor x = zeros({2});
  const Tensor v = x[0];
  v.requires_grad_();
  CHECK_FALSE(x.requires_grad());
  CHECK(v.is_leaf());
  CHECK_THROWS_WITH(v.add_(1), StartsWith("add_: f32[] is a leaf that requires a gradient"));
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  x.add_(w);
  CHECK_FALSE(v.is_leaf());
  CHECK(bitwise_equal(gradient(v * 2, w), tensor({2.0, 0.0})));
}

TEST_CASE("views: detach_ is for tensors that are no views") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 2;
  const Tensor v = y[0];
  CHECK_THROWS_WITH(v.detach_(), Equals("detach_: f32[] is a view: need a tensor that is none; detach() takes both"));
  y.retain_grad();
  y.detach_();
  CHECK(y.is_leaf());
  CHECK_FALSE(y.requires_grad());
  CHECK_FALSE(y.retains_grad());
  CHECK(v.grad_fn()->name() == "SelectBackward0");
  v.backward();
  CHECK(bitwise_equal(w.grad(), tensor({2.0, 0.0})));
  CHECK_FALSE(y.grad().defined());
  const Tensor u = tensor({1.0}, requires_grad());
  u.detach_();
  CHECK_FALSE(u.requires_grad());
}

TEST_CASE("views: after detach_ of its base, a view that stays on the tape can't be changed while recording") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 2;
  const Tensor v = y[0];
  y.detach_();
  CHECK_THROWS_WITH(v.mul_(2), StartsWith("mul_: f32[] is on the tape, but detach_() has taken off it the tensor that "
                                          "it is a view of: need a NoGradGuard"));
  CHECK(bitwise_equal(gradient(v, w), tensor({2.0, 0.0})));
  y.mul_(w);
  CHECK(bitwise_equal(gradient(v, w), tensor({4.0, 0.0})));
}

TEST_CASE("views: the retained gradient of a view is that of its last value") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 2;
  const Tensor v = y[0];
  v.retain_grad();
  y.retain_grad();
  y.mul_(5);
  (v * 7 + y.sum()).backward();
  CHECK(v.retains_grad());
  CHECK(bitwise_equal(v.grad(), tensor(7.0)));
  CHECK(bitwise_equal(y.grad(), tensor({8.0, 1.0})));
  CHECK(bitwise_equal(w.grad(), tensor({80.0, 10.0})));
}

TEST_CASE("views: several threads may be the first to ask for the history of a view") {
  for (int round = 0; round < 200; ++round) {
    const Tensor w = tensor({2.0, 3.0}, requires_grad());
    const Tensor y = w * 2;
    const Tensor v = y.view({1, 2})[0];
    y.mul_(3);
    std::array<const Node*, 4> nodes{};
    std::array<bool, 4> needs{};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      threads.emplace_back([&, i] {
        needs[i] = v.requires_grad();
        nodes[i] = i % 2 == 0 ? v.grad_fn().get() : (v * 2).grad_fn()->next_edge(0).function.get();
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      CHECK(needs[i]);
      CHECK(nodes[i] == v.grad_fn().get());
    }
  }
}

TEST_CASE("views: graphs of views and changes leave no memory behind") {
  enum class Pass { None, Backward, Twice };
  const auto build = [](Pass pass) {
    const Tensor w = leaf({20, 30}, "w");
    const Tensor constant = leaf({30}, "c");
    const Tensor y = w * 1;
    const Tensor v = y.t()[1];
    const Tensor u = y[3];
    v.pow_(2);
    u.mul_(constant);
    v.retain_grad();
    y.retain_grad();
    y.view({600}).tanh_();
    const Tensor x = zeros({20, 30}, kFloat64);
    x[2].copy_(u);
    const Tensor root = (x * y.sum()).sum() + v.sum();
    if (pass == Pass::Backward) {
      root.backward();
    } else if (pass == Pass::Twice) {
      const auto first = autograd::grad({root}, {w}, {}, true, true);
      first[0].sum().backward();
    }
  };
  SerialEngine serial;
  const EngineGuard guard(serial);
  for (const Pass pass : {Pass::None, Pass::Backward, Pass::Twice}) {
    INFO(static_cast<int>(pass));
    const std::int64_t before = memory_stats().current_bytes;
    for (int i = 0; i < 200; ++i) {
      build(pass);
    }
    CHECK(memory_stats().current_bytes - before < 200 * 1000);  // exact to 64 KiB; a tensor has 4800 bytes
  }
}
