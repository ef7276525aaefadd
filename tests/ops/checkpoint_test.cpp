#include <memory>
#include <vector>

#include <backflow/ops/autograd/checkpoint.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using backflow::test::bitwise_equal;

namespace {

Tensor layer(const Tensor& x, const Tensor& w) { return tanh(x * w) + x.exp(); }

/// The gradients of `x` and `w` through `f(x)`.
template <class F>
std::vector<Tensor> gradients(const Tensor& x, const Tensor& w, F f) {
  return autograd::grad({f(x).sum()}, {x, w});
}

Tensor nested(const Tensor& x, int depth) {
  if (depth == 0) {
    return x;
  }
  return checkpoint([depth](const Tensor& h) { return nested(tanh(h), depth - 1); }, x);
}

}  // namespace

TEST_CASE("checkpoint: gradients are those without it, also of what the function captures") {
  const Tensor x = rand({5}, kFloat64).requires_grad_();
  const Tensor w = rand({5}, kFloat64).requires_grad_();
  const auto plain = gradients(x, w, [&](const Tensor& h) { return layer(layer(h, w), w); });
  const auto segment = [&](const Tensor& h) { return layer(h, w); };
  FlowEngine flow(FlowEngine::Use::Always);
  for (int retained = 0; retained < 2; ++retained) {
    const EngineGuard guard(flow);
    CHECK(bitwise_equal(gradients(x, w, [&](const Tensor& h) { return checkpoint(segment, checkpoint(segment, h)); }),
                        plain));
  }
  const Tensor y = checkpoint(segment, checkpoint(segment, x)).sum();
  CHECK(bitwise_equal(autograd::grad({y}, {x, w}, {}, true), plain));
  CHECK(bitwise_equal(autograd::grad({y}, {x, w}), plain));
  CHECK_THROWS_WITH(autograd::grad({y}, {x, w}), ContainsSubstring("retain_graph=true"));
}

TEST_CASE("checkpoint: the gradient of a gradient goes through it") {
  const Tensor x = rand({4}, kFloat64).requires_grad_();
  const Tensor w = rand({4}, kFloat64).requires_grad_();
  const auto second = [&](const Tensor& y) {
    const Tensor dx = autograd::grad({y.sum()}, {x}, {}, std::nullopt, true)[0];
    return autograd::grad({(dx * dx).sum()}, {x, w});
  };
  CHECK(bitwise_equal(second(checkpoint([&](const Tensor& h) { return layer(h, w); }, x)), second(layer(x, w))));
}

TEST_CASE("checkpoint: nothing that the function saves is held between forward and backward") {
  const Tensor x = rand({1000}).requires_grad_();
  const auto chain = [](const Tensor& h) {
    Tensor y = h;
    for (int i = 0; i < 20; ++i) {
      y = y.exp().tanh();
    }
    return y;
  };
  const auto held = [&](const Tensor& y) {
    const auto with = memory_stats().current_bytes;
    static_cast<void>(y);
    return with;
  };
  const auto start = memory_stats().current_bytes;
  std::int64_t plain = 0;
  std::int64_t checkpointed = 0;
  {
    const Tensor y = chain(x);
    plain = held(y) - start;
  }
  const Tensor y = checkpoint(chain, x);
  checkpointed = held(y) - start;
  INFO("plain " << plain << " bytes, checkpointed " << checkpointed);
  CHECK(checkpointed * 10 < plain);
  y.sum().backward({}, true);
  CHECK(memory_stats().current_bytes - start < plain / 5);  // a retained graph holds none of it either
}

TEST_CASE("checkpoint: the second run draws the numbers of the first and disturbs nobody's") {
  const auto noisy = [](const Tensor& h) { return h * rand({8}, kFloat64); };
  const Tensor x = ones({8}, TensorOptions(kFloat64)).requires_grad_();
  manual_seed(7);
  const Tensor y = checkpoint(noisy, x);
  const Tensor after = rand({4});
  y.sum().backward();
  CHECK(bitwise_equal(x.grad(), y.detach()));
  const Tensor last = rand({4});
  manual_seed(7);
  static_cast<void>(rand({8}, kFloat64));
  CHECK(bitwise_equal(after, rand({4})));
  CHECK(bitwise_equal(last, rand({4})));
}

TEST_CASE("checkpoint: several inputs and results, some undefined or constant") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  const Tensor c = tensor({3.0, 4.0});
  const auto outputs = checkpoint(
      [](const std::vector<Tensor>& in) {
        return std::vector<Tensor>{in[0] * in[1], in[0].exp(), Tensor()};
      },
      {x, c, Tensor()});
  REQUIRE(outputs.size() == 3);
  CHECK_FALSE(outputs[2].defined());
  outputs[0].sum().backward();
  CHECK(bitwise_equal(x.grad(), c));
}

TEST_CASE("checkpoint: mistakes are errors, not wrong gradients") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  int runs = 0;
  const Tensor y = checkpoint([&](const Tensor& h) { return ++runs == 1 ? h.exp().tanh() : h * 1; }, x);
  CHECK_THROWS_WITH(y.sum().backward(), ContainsSubstring("need one that does the same again"));
  const Tensor h = x * 1;
  const Tensor z = checkpoint([](const Tensor& in) { return in.exp(); }, h);
  h.add_(1);
  CHECK_THROWS_WITH(z.sum().backward(), ContainsSubstring("was changed in place"));
  const Tensor thrown = checkpoint(
      [&](const Tensor& in) {
        check(++runs < 4, "no second time");
        return in.exp();
      },
      x);
  CHECK_THROWS_WITH(thrown.sum().backward(), ContainsSubstring("no second time"));
}

TEST_CASE("checkpoint: branches that share a segment run it again once, on any number of threads") {
  const Tensor x = rand({64}, kFloat64).requires_grad_();
  FlowEngine flow(FlowEngine::Use::Always);
  const EngineGuard guard(flow);
  const int before = get_num_threads();
  for (const int threads : {1, 4}) {
    set_num_threads(threads);
    int runs = 0;
    const auto outputs = checkpoint(
        [&](const std::vector<Tensor>& in) {
          ++runs;
          std::vector<Tensor> out;
          for (int i = 0; i < 16; ++i) {
            out.push_back(in[0].exp() * in[0]);
          }
          return out;
        },
        {x});
    Tensor sum = outputs[0];
    for (std::size_t i = 1; i < outputs.size(); ++i) {
      sum = sum + outputs[i];
    }
    const Tensor dx = autograd::grad({sum.sum()}, {x})[0];
    CHECK(runs == 2);
    CHECK(bitwise_equal(dx, autograd::grad({[&] {
                                             Tensor plain = x.exp() * x;
                                             for (int i = 1; i < 16; ++i) {
                                               plain = plain + x.exp() * x;
                                             }
                                             return plain.sum();
                                           }()},
                                           {x})[0]));
  }
  set_num_threads(before);
}

TEST_CASE("checkpoint: segments inside of segments, 8,000 deep") {
  const Tensor x = tensor({0.5}, TensorOptions(kFloat64)).requires_grad_();
  Tensor plain = x;
  for (int i = 0; i < 8000; ++i) {
    plain = tanh(plain);
  }
  const Tensor expected = autograd::grad({plain}, {x})[0];
  CHECK(bitwise_equal(autograd::grad({nested(x, 8000)}, {x})[0], expected));
}
