// In-place operators: values, versions, and gradients through a tensor that was changed.
#include <algorithm>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/samples.h>

using namespace backflow;
using namespace backflow::test;

namespace {

std::uint32_t version(const Tensor& x) { return x.impl().storage->version(); }

/// First and second derivatives of a fixed function of y; undefined where there is none.
Tensors derivatives(const Tensor& y, const Tensors& leaves) {
  const Tensor dy = random_tensor(y.sizes().vec(), "dy", kFloat64);
  Tensors all = autograd::grad({y}, leaves, {dy}, std::nullopt, true, true);
  Tensors recorded;
  Tensors directions;
  for (const Tensor& g : all) {
    if (g.defined() && g.requires_grad()) {
      recorded.push_back(g);
      directions.push_back(random_tensor(g.sizes().vec(), "v", kFloat64));
    }
  }
  Tensors second(leaves.size());
  if (!recorded.empty()) {
    second = autograd::grad(recorded, leaves, directions, std::nullopt, false, true);
  }
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

/// The largest distance; an undefined gradient counts as zeros.
double distance(const Tensors& a, const Tensors& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto values = [](const Tensor& x, const Tensor& like) {
      return x.defined() ? array_of(x) : array_of(like.sizes().vec());
    };
    if (a[i].defined() || b[i].defined()) {
      largest = std::max(largest, test::distance(values(a[i], b[i]), values(b[i], a[i])));
    }
  }
  return largest;
}

}  // namespace

TEST_CASE("in place: values are those of the operator, and the version counts up") {
  for (const Sample& s : samples()) {
    if (!s.inplace) {
      continue;
    }
    INFO(reproduce(s, "in place: values are those of the operator, and the version counts up"));
    const NoGradGuard guard;
    for (const ScalarType dtype : {kFloat32, kFloat64}) {
      const Tensor expected = s.call(operands_of(s, operand_values(s), dtype));
      const Tensors operands = operands_of(s, operand_values(s), dtype);
      const std::uint32_t before = version(operands[0]);
      const void* data = operands[0].data_ptr();
      s.inplace(operands);
      CHECK(bitwise_equal(operands[0], expected));
      CHECK(operands[0].data_ptr() == data);
      CHECK(version(operands[0]) > before);
    }
  }
}

TEST_CASE("in place: a recorded change has the operator's gradient") {
  for (const Sample& s : samples()) {
    if (!s.inplace || !s.differentiable) {
      continue;
    }
    INFO(reproduce(s, "in place: a recorded change has the operator's gradient"));
    const Tensors operands = operands_of(s, operand_values(s), kFloat64);
    Tensors leaves;  // without indices and masks
    for (const std::size_t i : differentiable_operands(s)) {
      leaves.push_back(operands[i]);
    }
    Tensor y = s.call(operands);
    const Tensor dy = random_tensor(y.sizes().vec(), "dy", kFloat64);
    const Tensors expected = autograd::grad({y}, leaves, {dy}, std::nullopt, false, true);
    Tensors changed = operands;
    changed[0] = operands[0] + 0;  // not a leaf
    s.inplace(changed);
    CHECK(bitwise_equal(changed[0].detach(), y.detach()));
    CHECK(bitwise_equal(autograd::grad({changed[0]}, leaves, {dy}, std::nullopt, false, true), expected));
  }
}

TEST_CASE("in place: a change through a view reaches the base, with first and second derivatives") {
  for (const Sample& s : samples()) {
    const auto aliases = [](const Operand& o) { return o.same_as == 0; };
    if (!s.inplace || !s.differentiable || std::any_of(s.operands.begin(), s.operands.end(), aliases)) {
      continue;
    }
    INFO(reproduce(s, "in place: a change through a view reaches the base, with first and second derivatives"));
    const Tensors operands = operands_of(s, operand_values(s), kFloat64);
    Tensors leaves = {stack({operands[0].detach() * 0.5, operands[0].detach()}, -1).requires_grad_()};
    for (const std::size_t i : differentiable_operands(s)) {
      if (i != 0) {
        leaves.push_back(operands[i]);
      }
    }
    // Every other element of a base is changed in place, and once composed of parts.
    const Tensor base = leaves[0] * 1;
    Tensors changed = operands;
    changed[0] = base.select(-1, 1);
    s.inplace(changed);
    Tensors composing = operands;
    composing[0] = leaves[0].select(-1, 1) * 1;
    const Tensor composed = stack({leaves[0].select(-1, 0), s.call(composing)}, -1);
    CHECK(bitwise_equal(base.detach(), composed.detach()));
    CHECK(distance(derivatives(base, leaves), derivatives(composed, leaves)) <= 1e-10);
  }
}

TEST_CASE("in place: a leaf that requires a gradient may not be changed while recording") {
  const Tensor w = tensor({1.0, 2.0}, requires_grad());
  CHECK_THROWS_WITH(w.add_(1), Equals("add_: f32[2] is a leaf that requires a gradient: need a NoGradGuard around the "
                                      "change, or an operation that is not in place"));
  CHECK_THROWS_WITH(w.zero_(), StartsWith("zero_: "));
  CHECK_THROWS_WITH(w.fill_(2), StartsWith("fill_: "));
  CHECK(version(w) == 0);
  const NoGradGuard guard;
  w.add_(1);
  CHECK(w.is_leaf());
  CHECK(bitwise_equal(w.detach(), tensor({2.0, 3.0})));
}

TEST_CASE("in place: a saved tensor that was changed is an error that names the node") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  const Tensor w = tensor({3.0, 4.0});
  const Tensor y = (x * w).sum();
  w.add_(1);
  CHECK_THROWS_WITH(
      y.backward(),
      Equals("backward of MulBackward0: a tensor saved for backward (f32[2], a leaf) was changed in place: "
             "it is at version 1, need version 0; clone() it before the change"));
  const Tensor z = exp(x);
  {
    const NoGradGuard guard;
    z.mul_(2);
  }
  CHECK_THROWS_WITH(z.sum().backward(),
                    StartsWith("backward of ExpBackward0: a tensor saved for backward (f32[2], output 0 of "
                               "ExpBackward0) was changed in place"));
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("in place: a change through another handle of the storage is seen too") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  const Tensor w = tensor({3.0, 4.0});
  const Tensor y = (x * w).sum();
  w[0].zero_();
  CHECK_THROWS_AS(y.backward(), Error);
}

TEST_CASE("in place: a constant that is given a recorded value joins the tape") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor x = zeros({2});
  x.add_(w).mul_(w);
  x.sum().backward();
  CHECK(bitwise_equal(w.grad(), tensor({4.0, 6.0})));
  CHECK(std::string(x.grad_fn()->name()) == "MulBackward0");
}

TEST_CASE("in place: zeros and constants cut the gradient") {
  const Tensor x = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = x * 2;
  y.zero_();
  (y + x).sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({1.0, 1.0})));
  const Tensor z = x * 3;
  z.fill_(5);
  z.sum().backward();
  CHECK(bitwise_equal(x.grad(), tensor({1.0, 1.0})));
  CHECK(bitwise_equal(z.detach(), tensor({5.0, 5.0})));
}

TEST_CASE("in place: operands that overlap the target") {
  const Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}});
  x.add_(x.t());
  CHECK(bitwise_equal(x, tensor({{2.0, 5.0}, {5.0, 8.0}})));
  x.copy_(x.t());
  x.mul_(x);
  CHECK(bitwise_equal(x, tensor({{4.0, 25.0}, {25.0, 64.0}})));
  x.sub_(x[0]);
  CHECK(bitwise_equal(x, tensor({{0.0, 0.0}, {21.0, 39.0}})));
}

TEST_CASE("in place: operands that overlap the target through data()") {
  const Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}});
  x.add_(x.data().t());
  CHECK(bitwise_equal(x, tensor({{2.0, 5.0}, {5.0, 8.0}})));
  x.sub_(x.data()[0]);
  CHECK(bitwise_equal(x, tensor({{0.0, 0.0}, {3.0, 3.0}})));
  x.data().copy_(x.t());
  CHECK(bitwise_equal(x, tensor({{0.0, 3.0}, {0.0, 3.0}})));
  const Tensor w = zeros({2, 2});
  w.set_data(x);
  w.pow_(x.t()).add_(w.data());
  CHECK(bitwise_equal(x, tensor({{2.0, 2.0}, {0.0, 54.0}})));
}

TEST_CASE("in place: a view of a leaf that requires a gradient can't be changed while recording") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  CHECK_THROWS_WITH(w[0].mul_(2), StartsWith("mul_: f32[] is a view of a leaf that requires a gradient"));
  const NoGradGuard guard;
  w[0].mul_(2);
  CHECK(bitwise_equal(w.detach(), tensor({4.0, 3.0})));
}

TEST_CASE("in place: a change through a view is part of its base's history") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 2;
  y[0].mul_(w[1]);
  CHECK(y.grad_fn()->name() == "CopySlices");
  (y * tensor({1.0, 10.0})).sum().backward();
  CHECK(bitwise_equal(w.grad(), tensor({6.0, 24.0})));
  const Tensor constant = zeros({2});
  constant[0].copy_(w[0]);
  CHECK(constant.requires_grad());
}

TEST_CASE("in place: a view follows a tensor that is changed after it") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 2;
  const Tensor first = y[0];
  y.mul_(3);
  CHECK(first.grad_fn()->name() == "AsStridedBackward0");
  first.backward();
  CHECK(bitwise_equal(w.grad(), tensor({6.0, 0.0})));
}
