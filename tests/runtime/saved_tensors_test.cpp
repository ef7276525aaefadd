// What passes through saved_tensors_hooks.
#include <backflow/runtime/tape/saved_tensor.h>

#include <any>
#include <atomic>
#include <stdexcept>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>

using namespace backflow;
using namespace backflow::test;

namespace {

std::any keep(const Tensor& x) { return x; }
Tensor give(const std::any& x) { return std::any_cast<const Tensor&>(x); }

}  // namespace

TEST_CASE("saved tensor hooks: called for each saved tensor and each use") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    int packs = 0;
    std::atomic<int> unpacks{0};
    const Tensor x = tensor({2.0, 3.0}, requires_grad());
    Tensor y;
    {
      const SavedTensorHooks hooks(
          [&](const Tensor& t) -> std::any {
            ++packs;
            CHECK_FALSE(GradMode::is_enabled());
            return Tensor(t * 2);
          },
          [&](const std::any& t) {
            ++unpacks;
            return Tensor(give(t) * 5);
          });
      y = (x * x).sum();
      (void)(x + x);  // saves nothing
    }
    CHECK(packs == 2);
    CHECK(unpacks == 0);
    y.backward({}, true);
    CHECK(unpacks == 2);
    CHECK(bitwise_equal(x.grad(), tensor({40.0, 60.0})));
    y.backward();
    CHECK(unpacks == 4);
    (x * x).sum().backward();
    CHECK(packs == 2);
  }
}

TEST_CASE("saved tensor hooks: the innermost are used") {
  int outer = 0;
  int inner = 0;
  const auto counting = [](int& count) {
    return [&count](const Tensor& t) -> std::any {
      ++count;
      return t;
    };
  };
  const Tensor x = tensor({2.0}, requires_grad());
  const SavedTensorHooks first(counting(outer), give);
  Tensor y = x * x;
  {
    const SavedTensorHooks second(counting(inner), give);
    y = y * x;
  }
  y = y * x;
  CHECK(outer == 4);
  CHECK(inner == 2);
  y.backward();
  CHECK(x.grad().item<float>() == 32);
}

TEST_CASE("saved tensor hooks: results of the forward, and second derivatives through both") {
  const Tensor x = tensor({0.5}, TensorOptions(kFloat64).requires_grad(true));
  const SavedTensorHooks hooks([](const Tensor& t) -> std::any { return t.clone(); }, give);
  const Tensor y = (x * x).exp();  // y'' = (2 + 4 x^2) y
  const Tensor dx = autograd::grad({y}, {x}, {}, true, true)[0];
  CHECK(dx.item<double>() == Approx(2 * 0.5 * y.item<double>()));
  CHECK(autograd::grad({dx}, {x}, {}, true)[0].item<double>() == Approx(3 * y.item<double>()));
  dx.backward();
  CHECK(x.grad().item<double>() == Approx(3 * y.item<double>()));
}

TEST_CASE("saved tensor hooks: mistakes") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  {
    const SavedTensorHooks hooks(keep, [](const std::any&) { return ones({3}); });
    CHECK_THROWS_WITH((x * x).sum().backward(),
                      Equals("backward of MulBackward0: saved_tensors_hooks: unpack gave f32[3]: need f32[2]"));
  }
  {
    const SavedTensorHooks hooks(
        [](const Tensor& t) -> std::any {
          t.add_(1);
          return t;
        },
        give);
    CHECK_THROWS_WITH((x * 1).exp(), ContainsSubstring("pack changed its tensor (f32[2]) in place"));
  }
  {
    const SavedTensorHooks hooks(keep, [](const std::any&) -> Tensor { throw std::out_of_range("unpack"); });
    for (const auto& engine : engines()) {
      const EngineGuard guard(*engine);
      CHECK_THROWS_AS((x * x).sum().backward(), std::out_of_range);
    }
  }
  x.mutable_grad() = Tensor();
  (x * x).sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({2.0, 4.0})));
}
