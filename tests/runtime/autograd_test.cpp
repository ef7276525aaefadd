#include <backflow/runtime/engine/autograd.h>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/grad_mode.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/leaves.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("autograd: diamonds and shared inputs") {
  const Tensor x = tensor({2.0, 3.0}, requires_grad());
  const Tensor a = x * x;
  const Tensor b = a + x;
  (a * b).sum().backward();  // x^4 + x^3
  CHECK(bitwise_equal(x.grad(), tensor({44.0, 135.0})));
}

TEST_CASE("autograd: leaves accumulate, and never alias what the user holds") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  const Tensor dy = tensor({3.0, 4.0});
  x.backward(dy);
  CHECK(x.grad().data_ptr() != dy.data_ptr());
  (x * 2).sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({5.0, 6.0})));
  CHECK(bitwise_equal(dy, tensor({3.0, 4.0})));
  const Tensor w = ones({2}, requires_grad());
  (x.detach() + w).backward(dy);
  CHECK(w.grad().data_ptr() != dy.data_ptr());
}

TEST_CASE("autograd: no recording, no history") {
  const Tensor x = ones({2}, requires_grad());
  const NoGradGuard guard;
  CHECK_FALSE((x * 2).requires_grad());
  {
    const AutoGradMode mode(true);
    CHECK((x * 2).requires_grad());
  }
  CHECK_FALSE(GradMode::is_enabled());
}

TEST_CASE("autograd: grad takes unused, repeated and inner inputs") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  const Tensor unused = ones({2}, requires_grad());
  const Tensor y = x * 3;
  const Tensor z = (y * y).sum();
  const auto g = autograd::grad({z}, {x, y, x, unused, z}, {}, true, false, true);
  CHECK(bitwise_equal(g[0], tensor({18.0, 36.0})));
  CHECK(bitwise_equal(g[1], tensor({6.0, 12.0})));
  CHECK(bitwise_equal(g[2], g[0]));
  CHECK_FALSE(g[3].defined());
  CHECK(g[4].item<float>() == 1);
  CHECK_FALSE(x.grad().defined());
  CHECK_THROWS_WITH(autograd::grad({z}, {x, unused}),
                    Equals("grad: input 1 (f32[2]) was not used to compute the outputs: need allow_unused for an "
                           "undefined gradient"));
}

TEST_CASE("autograd: several roots, and backward for some inputs alone") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  const Tensor w = tensor({3.0, 4.0}, requires_grad());
  const Tensor y = x * w;
  autograd::backward({y.sum(), y}, {Tensor(), tensor({1.0, 0.0})}, std::nullopt, false, {w, w});
  CHECK(bitwise_equal(w.grad(), tensor({2.0, 2.0})));
  CHECK_FALSE(x.grad().defined());
  const Tensor inner = x * 2;
  autograd::backward({(inner * w).sum()}, {}, std::nullopt, false, {inner});
  CHECK(bitwise_equal(inner.grad(), w.detach()));
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("autograd: an empty list of inputs is a mistake, none are all leaves") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  const std::vector<Tensor> nothing;
  const char* const text = "backward: the list of inputs is empty: need at least one, or no list for all leaves";
  CHECK_THROWS_WITH(x.sum().backward({}, std::nullopt, false, nothing), Equals(text));
  CHECK_THROWS_WITH(x.sum().backward({}, std::nullopt, false, TensorList()), Equals(text));
  CHECK_THROWS_WITH(x.sum().backward({}, std::nullopt, false, std::optional<TensorList>(nothing)), Equals(text));
  CHECK_THROWS_WITH(autograd::backward({x.sum()}, {}, std::nullopt, false, nothing), Equals(text));
  CHECK_THROWS_WITH(autograd::backward({x.sum()}, {}, autograd::BackwardOptions(), nothing), Equals(text));
  CHECK_THROWS_WITH(autograd::grad({x.sum()}, {}),
                    Equals("grad: no inputs: need at least one tensor to differentiate by"));
  CHECK_FALSE(x.grad().defined());
  x.sum().backward({}, std::nullopt, false, std::nullopt);
  x.sum().backward({}, std::nullopt, false, {});
  x.sum().backward({}, std::nullopt, false, std::optional<TensorList>());
  autograd::backward({x.sum()}, {}, std::nullopt, false, {});
  CHECK(bitwise_equal(x.grad(), tensor({4.0, 4.0})));
}

TEST_CASE("autograd: mistakes and their messages") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  CHECK_THROWS_WITH((x * 2).backward(), StartsWith("backward: no gradient given for f32[2]"));
  CHECK_THROWS_WITH((x * 2).backward(ones({3})), StartsWith("backward: gradient is f32[3], its root is f32[2]"));
  CHECK_THROWS_WITH((x * 2).backward(ones({2}, kFloat64)), StartsWith("backward: gradient is f64[2]"));
  CHECK_THROWS_WITH(ones({}).backward(), StartsWith("backward: root 0 (f32[]) requires no gradient"));
  CHECK_THROWS_WITH(autograd::grad({(x * 2).sum()}, {ones({2})}), StartsWith("grad: an input (f32[2]) requires no"));
  CHECK_THROWS_WITH(autograd::grad({(x * 2).sum()}, {x}, {Tensor(), Tensor()}),
                    Equals("grad: 2 gradients for 1 roots: need one for each"));
}

TEST_CASE("autograd: a graph is freed unless it is retained") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  const Tensor y = (x * x).sum();
  y.backward({}, true);
  y.backward();
  CHECK(bitwise_equal(x.grad(), tensor({4.0, 8.0})));
  CHECK_THROWS_WITH(y.backward(),
                    ContainsSubstring("the graph was freed by an earlier backward: need retain_graph=true"));
}

TEST_CASE("autograd: create_graph records the gradients, to any order") {
  const Tensor x = tensor({2.0}, TensorOptions(kFloat64).requires_grad(true));
  Tensor y = x.pow(5).sum();
  for (const double expected : {80.0, 160.0, 240.0, 240.0, 120.0}) {
    y = autograd::grad({y}, {x}, {}, true, true)[0].sum();
    CHECK(y.item<double>() == expected);
  }
  const Tensor w = tensor({3.0}, requires_grad());
  (w * w).sum().backward({}, std::nullopt, true);
  CHECK(w.grad().requires_grad());
  w.mutable_grad() = Tensor();  // as in PyTorch, its graph leads back to w: a cycle that only this breaks
}

TEST_CASE("autograd: gradients go to their place in a bucket, and accumulate there") {
  const Tensor bucket = full({5}, 9.0);
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  x.impl().meta().grad_buffer = view_of(bucket, {2}, {1}, 1);
  (x * 2).sum().backward();
  CHECK(x.grad().data_ptr<float>() == bucket.data_ptr<float>() + 1);
  CHECK(bitwise_equal(bucket, tensor({9.0, 2.0, 2.0, 9.0, 9.0})));
  (x * x).sum().backward();
  CHECK(bitwise_equal(bucket, tensor({9.0, 4.0, 6.0, 9.0, 9.0})));
  x.mutable_grad() = Tensor();
  (x * 3).sum().backward();
  CHECK(bitwise_equal(bucket, tensor({9.0, 3.0, 3.0, 9.0, 9.0})));
}

TEST_CASE("autograd: chains of 1,000 and 1,000,000 nodes are built, walked and destroyed") {
  FlowEngine flow(FlowEngine::Use::Always);
  SerialEngine serial;
  for (Engine* engine : {static_cast<Engine*>(&flow), static_cast<Engine*>(&serial)}) {
    for (const int length : {1000, 1'000'000}) {
      const EngineGuard guard(*engine);
      const Tensor x = ones({1}, requires_grad());
      Tensor y = x;
      for (int i = 0; i < length; ++i) {
        y = y + (i == length / 2 ? x : Tensor(ones({1})));
      }
      y.backward();
      CHECK(x.grad().item<float>() == 2);
    }
  }
}

TEST_CASE("autograd: a long tape that is never walked is destroyed without recursion") {
  Tensor y = ones({1}, requires_grad());
  for (int i = 0; i < 300'000; ++i) {
    y = y * y;  // both operands are saved
  }
  y = Tensor();
  SUCCEED();
}

TEST_CASE("autograd: several outputs of one node, some without a gradient") {
  const Tensor x = ones({2}, requires_grad());
  int calls = 0;
  const Tensor y = recorded(x, {x, ones({2})}, [&](NodeCall& call) {
    ++calls;
    CHECK(call.wants(0));
    CHECK_FALSE(call.wants(1));
    call.dx[0] = call.dy[0] * 5;
  });
  y.sum().backward();
  CHECK(calls == 1);
  CHECK(bitwise_equal(x.grad(), tensor({5.0, 5.0})));
}

TEST_CASE("graphs: nodes that save nothing can be gone through again, others need retain_graph") {
  const Tensor x = leaf({1.0, 2.0});
  const Tensor plain = (x + 1).sum();
  plain.backward();
  plain.backward();
  CHECK(bitwise_equal(x.grad(), tensor({2.0, 2.0})));
  const Tensor square = (x * x).sum();
  square.backward();
  CHECK_THROWS_WITH(square.backward(), Equals("backward of MulBackward0: the graph was freed by an earlier backward: "
                                              "need retain_graph=true there to go through it again"));
  // A part that two roots share.
  const Tensor shared = tanh(x);
  const Tensor a = shared.sum();
  const Tensor b = (shared * 2).sum();
  a.backward();
  CHECK_THROWS_WITH(b.backward(), ContainsSubstring("retain_graph=true"));
}
