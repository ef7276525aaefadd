// Gradients where a function has a kink, a pole or no definition of its own: what PyTorch gives there.
#include <cmath>
#include <limits>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("gradients: powers of zero") {
  const Tensor x = tensor({0.0, 0.0, 0.0, 2.0}, requires_grad());
  const Tensor w = tensor({0.0, 1.0, -1.0, 0.0}, requires_grad());
  const auto dx = autograd::grad({pow(x, w).sum()}, {x, w}, {}, std::nullopt, true);
  CHECK(distance(array_of(dx[0]), array_of(tensor({0.0, 1.0, -kInf, 0.0}))) == 0);
  CHECK(distance(array_of(dx[1]), array_of(tensor({0.0, 0.0, -kInf, std::log(2.0)}))) < 1e-7);
  // Broadcast, and with an exponent that takes no gradient.
  const Tensor base = tensor({{0.0}, {3.0}}, requires_grad());
  pow(base, tensor({0.0, 2.0})).sum().backward();
  CHECK(bitwise_equal(base.grad(), tensor({{0.0}, {6.0}})));
}

TEST_CASE("gradients: second derivatives of powers of zero are finite") {
  const Tensor x = tensor({0.0, 2.0}, requires_grad());
  const Tensor w = tensor({0.0, 0.0}, requires_grad());
  const auto first = autograd::grad({pow(x, w).sum()}, {x, w}, {}, std::nullopt, true);
  const auto second = autograd::grad({first[0].sum() + first[1].sum()}, {x, w});
  for (const Tensor& g : second) {
    CHECK(std::isfinite(g[0].item<double>()));
  }
  CHECK(second[0][1].item<double>() == Approx(0.5));
  CHECK(second[1][1].item<double>() == Approx(0.5 + std::log(2.0) * std::log(2.0)));
}

TEST_CASE("gradients: xlogy at zero") {
  const Tensor x = tensor({0.0, 0.0, 1.0, 0.0}, requires_grad());
  const Tensor w = tensor({0.0, -1.0, 0.0, 2.0}, requires_grad());
  xlogy(x, w).sum().backward();
  CHECK(distance(array_of(x.grad()), array_of(tensor({0.0, 0.0, -kInf, std::log(2.0)}))) < 1e-7);
  CHECK(distance(array_of(w.grad()), array_of(tensor({0.0, 0.0, kInf, 0.0}))) == 0);
}

TEST_CASE("gradients: at the bounds of clamp, and of NaN") {
  const Tensor x = tensor({0.5, 1.0, 2.0, 3.0, 4.0, kNan}, requires_grad());
  x.clamp(1, 3).sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({0.0, 1.0, 1.0, 1.0, 0.0, 0.0})));
  x.mutable_grad() = {};
  x.clamp_min(1).backward(tensor({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}));
  CHECK(bitwise_equal(x.grad(), tensor({0.0, 2.0, 3.0, 4.0, 5.0, 0.0})));
  CHECK(std::string(x.clamp(1).grad_fn()->name()) == "ClampBackward1");
}

TEST_CASE("gradients: abs and sign at zero") {
  const Tensor x = tensor({-2.0, 0.0, 3.0}, requires_grad());
  (abs(x) + sign(x)).sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({-1.0, 0.0, 1.0})));
}
