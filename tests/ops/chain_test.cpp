// Large element-wise kernels of a backward wait and run as one loop: nobody sees a difference, except in time.
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/philox.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tape/custom_function.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/runtime/threads/deferred_work.h>
#include <backflow/runtime/threads/observed_work.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/error_of.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/tracing.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Tensors = std::vector<Tensor>;

constexpr std::int64_t kMany = 33'333;  // more than are computed at once, and no cut divides it

Tensor leaf(const std::string& key, IntArrayRef sizes = {kMany}, ScalarType dtype = kFloat32) {
  return random_tensor(sizes.vec(), key, dtype).requires_grad_();
}

/// What `run` gives when every kernel runs at once: traced passes put nothing off.
Tensors at_once(const std::function<Tensors()>& run) {
  const Tracing tracing;
  SerialEngine serial;
  const EngineGuard guard(serial);
  return run();
}

/// `run` gives the bits that it gives when every kernel runs at once.
void check_same(const std::function<Tensors()>& run) {
  const Tensors expected = at_once(run);
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    for (const std::int64_t pieces : {1, 2, 3, 7, 64}) {
      const ForcedPieces forced(pieces);
      CAPTURE(engine->name(), pieces);
      CHECK(bitwise_equal(run(), expected));
    }
  }
}

Tensor gelu_by_hand(const Tensor& x) { return x * 0.5 * (tanh((x + x * x * x * 0.044715) * 0.7978845608) + 1.0); }

/// A new tensor of earlier ones, by one of many element-wise operators.
Tensor random_result(PhiloxStream& random, const std::function<Tensor()>& pick) {
  const Tensor x = pick();
  switch (random.below(16)) {
    case 0:
      return x + pick();
    case 1:
      return x - pick() * 0.25;
    case 2:
      return tanh(x * pick());
    case 3:
      return sigmoid(x) * pick();
    case 4:
      return x / (pick() * pick() + 1.5);
    case 5:
      return exp(-(x * x));
    case 6:
      return where(x > pick(), x, pick());
    case 7:
      return clamp(x, -0.5, 0.75) + 0.125;
    case 8:
      return gelu(x) - silu(pick());
    case 9:
      return softplus(x).mul(pick());
    case 10:
      return maximum(x, pick());
    case 11:
      return log1p(abs(x)) * sqrt(x * x + 1);
    case 12:
      return lerp(x, pick(), 0.3);
    case 13:
      return to(to(x, kFloat64) * 0.5, x.scalar_type());
    case 14:
      return x * x.reshape({3, -1}).reshape({-1}).flip({0}) + x.sum() * 1e-3;
    default:
      return tanh(x.add(pick(), 0.5).mul_(0.75));
  }
}

Tensors random_gradients(std::uint64_t seed, ScalarType dtype) {
  PhiloxStream random(seed);
  Tensors leaves;
  for (const char* key : {"a", "b", "c"}) {
    leaves.push_back(leaf(key + std::to_string(seed), {kMany}, dtype));
  }
  Tensors results = leaves;
  for (int i = 0; i < 14; ++i) {
    const auto pick = [&] {
      const std::uint64_t range = random.below(2) == 0 ? results.size() : std::min<std::size_t>(results.size(), 3);
      return results[results.size() - 1 - random.below(range)];
    };
    results.push_back(random_result(random, pick));
    if (random.below(8) == 0) {
      results.back().retain_grad();
      leaves.push_back(results.back());
    }
  }
  autograd::backward({results.back() + results[results.size() - 3]}, {random_tensor({kMany}, "dy", dtype)});
  Tensors gradients;
  for (const Tensor& x : leaves) {
    gradients.push_back(x.grad());
  }
  return gradients;
}

/// Counts loops of several tasks.
class Loops final : public WorkObserver {
 public:
  void begin_loop(std::int64_t) override { ++count; }
  void begin_graph(std::span<const std::vector<std::uint32_t>>) override {}
  void begin_task(std::size_t) override {}
  void end_task() override {}
  void end() override {}
  int count = 0;
};

int loops_of_backward(const Tensor& y) {
  Loops loops;
  const Tensor dy = ones(y.sizes(), y.scalar_type());
  const ObservedWork observed(loops, 2);
  SerialEngine serial;
  const EngineGuard guard(serial);
  autograd::backward({y}, {dy});
  return loops.count;
}

struct Scaled : autograd::Function<Scaled> {
  static Tensor forward(autograd::AutogradContext*, const Tensor& x) { return x * 3; }
  static autograd::variable_list backward(autograd::AutogradContext*, autograd::variable_list dy) {
    const Tensor dx = dy[0] * 3;
    const Tensor twice = dx + dx;
    Tensor seen = empty(dx.sizes());
    Workers others;  // a thread that the user starts sees what is there
    others.threads.emplace_back([&] { seen = twice * 0.5; });
    others.join();
    return {seen};
  }
};

}  // namespace

TEST_CASE("chains: random graphs have equal bits in all engines, however loops are cut") {
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      CAPTURE(seed, short_name(dtype));
      check_same([&] { return random_gradients(seed, dtype); });
    }
  }
}

TEST_CASE("chains: random graphs have equal bits on 1, 2 and 8 threads") {
  for (std::uint64_t seed = 20; seed < 26; ++seed) {
    const Tensors expected = at_once([&] { return random_gradients(seed, kFloat32); });
    for (const int n : {1, 2, 8}) {
      const Threads threads(n);
      for (const auto& engine : engines(n)) {
        const EngineGuard guard(*engine);
        CAPTURE(seed, n, engine->name());
        CHECK(bitwise_equal(random_gradients(seed, kFloat32), expected));
      }
    }
  }
}

TEST_CASE("chains: neighbouring nodes are one loop") {
  const Tensor x = leaf("x", {1 << 18});
  const Tensor y = gelu_by_hand(x);
  CHECK(loops_of_backward(y) == 1);
  int without = 0;
  {
    const Tracing tracing;
    without = loops_of_backward(gelu_by_hand(x));
  }
  CHECK(without >= 8);
}

TEST_CASE("chains: bytes that another tensor shares are nobody's to take") {
  const Tensor w = random_tensor({1 << 16}, "w");
  const Tensor kept = w.clone();
  {
    const Tensor y = leaf("x", {1 << 16}) * w.data();
    y.backward(ones({1 << 16}));
  }
  CHECK(bitwise_equal(w, kept));
  const Tensor x = leaf("x", {1 << 16});
  Tensor seen;
  Tensor copied;
  const Tensor middle = x * 3;
  middle.register_hook([&](const Tensor& dy) {
    seen = dy.data();
    copied = dy.clone();
  });
  for (int pass = 0; pass < 2; ++pass) {
    (tanh(middle) * 2 + middle).sum().backward({}, true);
    CHECK(bitwise_equal(seen, copied));
  }
  const Tensor z = leaf("z", {1 << 16});
  const Tensor product = z * 2;
  product.register_hook([&](const Tensor&) { return w.data(); });
  (product * 3).sum().backward();
  CHECK(bitwise_equal(w, kept));
}

TEST_CASE("chains: what is large and unknown to others needs no memory") {
  const Tensor x = leaf("x", {1 << 20});
  const auto peak_of = [&](const Tensor& y) {
    const Tensor dy = ones(y.sizes());
    reset_peak_memory();
    const std::int64_t before = memory_stats().current_bytes;
    autograd::backward({y}, {dy});
    return memory_stats().peak_bytes - before;
  };
  SerialEngine serial;
  const EngineGuard guard(serial);
  x.mutable_grad().reset();
  const std::int64_t chained = peak_of(gelu_by_hand(x));
  x.mutable_grad().reset();
  const Tracing tracing;
  CHECK(chained <= peak_of(gelu_by_hand(x)));
}

TEST_CASE("chains: hooks, retained and captured gradients see their values") {
  check_same([] {
    const Tensor x = leaf("x");
    const Tensor h = x * x * 0.5;
    const Tensor t = tanh(h) * x;
    Tensors seen;
    h.register_hook([&](const Tensor& dy) { seen.push_back(dy * 1); });
    t.register_hook([](const Tensor& dy) { return dy * 2; });
    t.retain_grad();
    const Tensor y = t * t + h;
    autograd::backward({y}, {random_tensor({kMany}, "dy")}, true);
    const Tensors captured = autograd::grad({y}, {h, t, x}, {random_tensor({kMany}, "dw")});
    Tensors all = captured;
    all.insert(all.end(), seen.begin(), seen.end());
    all.insert(all.end(), {x.grad(), t.grad()});
    return all;
  });
}

TEST_CASE("chains: views, changes in place and other shapes in the middle") {
  check_same([] {
    const Tensor x = leaf("x", {kMany / 3, 3});
    const Tensor b = leaf("b", {3});
    Tensor h = tanh(x * 2 + b) * x;
    h.mul_(x.detach());
    const Tensor t = h.transpose(0, 1) * 3 + 1;
    const Tensor part = t.slice(1, 5, kMany / 3 - 5) * 2;
    const Tensor y = part.sum(0) * part.select(0, 1) + t.reshape({-1}).slice(0, 7, 7 + part.size(1)) * 0.5;
    const Tensor z = softmax(t, 0) * t;
    autograd::backward({y, z}, {random_tensor(y.sizes().vec(), "dy"), random_tensor(z.sizes().vec(), "dz")});
    return Tensors{x.grad(), b.grad()};
  });
}

TEST_CASE("chains: gradients add up over passes, and the leaf of one pass changes in the next") {
  check_same([] {
    const Tensor x = leaf("x");
    const Tensor w = leaf("w");
    for (int pass = 0; pass < 3; ++pass) {
      autograd::backward({gelu_by_hand(x * w) + w * x}, {random_tensor({kMany}, std::to_string(pass))});
      const NoGradGuard guard;
      x.sub_(x.grad(), 0.1);
    }
    return Tensors{x, w, x.grad(), w.grad()};
  });
}

TEST_CASE("chains: a root's gradient that the user keeps stays as it is") {
  const Tensor x = leaf("x");
  const Tensor dy = random_tensor({kMany}, "dy");
  const Tensor copy = clone(dy);
  autograd::backward({tanh(x * 2) * 3}, {dy});
  CHECK(bitwise_equal(dy, copy));
}

TEST_CASE("chains: custom functions may hand gradients to threads of their own") {
  check_same([] {
    const Tensor x = leaf("x");
    autograd::backward({tanh(Scaled::apply(x * 2 + 1)) * x}, {random_tensor({kMany}, "dy")});
    return Tensors{x.grad()};
  });
}

TEST_CASE("chains: a pass inside of a pass") {
  check_same([] {
    const Tensor x = leaf("x");
    const Tensor w = leaf("w");
    const Tensor y = hooked(tanh(x * 2) * x, [&] {
      const AutoGradMode recording(true);
      autograd::backward({sigmoid(w * 3) * w}, {random_tensor({kMany}, "dw")});
    });
    autograd::backward({y * y}, {random_tensor({kMany}, "dy")});
    return Tensors{x.grad(), w.grad()};
  });
}

TEST_CASE("chains: an error in the middle leaves what was complete, and the next pass works") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf("x");
    const Tensor w = leaf("w");
    const Tensor h = hooked(tanh(x * 2), [] { throw std::runtime_error("no"); });
    CAPTURE(engine->name());
    CHECK_THROWS_AS(autograd::backward({h * w * 2}, {ones({kMany})}), std::runtime_error);
    CHECK(!x.grad().defined());
    CHECK(!detail::deferral().is_open);
    CHECK(detail::deferral().pending == nullptr);
    autograd::backward({x * 3 * 2}, {ones({kMany})});
    CHECK(bitwise_equal(x.grad(), full({kMany}, 6.0)));
  }
}

TEST_CASE("chains: recorded gradients can be differentiated") {
  check_same([] {
    const Tensor x = leaf("x");
    const Tensor dx = autograd::grad({gelu_by_hand(x)}, {x}, {ones({kMany})}, true, true)[0];
    autograd::backward({dx * dx}, {random_tensor({kMany}, "dy")});
    return Tensors{x.grad()};
  });
}
