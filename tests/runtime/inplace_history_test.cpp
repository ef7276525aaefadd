// Changes in place that are recorded: versions, saved tensors that were changed, old values that are kept.
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/leaves.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("in-place history: a chain of changes through different views") {
  const Tensor w = leaf("w");
  const Tensor y = w * 2;
  const Tensor row = y[0];
  const Tensor column = y.select(1, 1);
  row.mul_(w[1]);  // y0 = 2 w0 w1
  column.pow_(2);  // y01 = 4 w01^2 w11^2, y11 = 4 w11^2
  y.view({6})[1].add_(w[0][0]);
  y.neg_();
  row.copy_(row.detach() * 0 + w[1]);  // the first row is w1 after all
  const Tensor g = autograd::grad({(y * y).sum() * 0 + y.sum()}, {w})[0];
  const Array v = array_of(w);
  Array expected = array_of({2, 3});
  for (std::int64_t j = 0; j < 3; ++j) {
    expected.at({1, j}) = 1 + (j == 1 ? -8 * v.at({1, 1}) : -2);
  }
  CHECK(test::distance(array_of(g), expected) < 1e-14);
}

TEST_CASE("in-place history: the version counts changes of any kind, and those alone") {
  const Tensor x = ones({2, 3});
  CHECK(x._version() == 0);
  const Tensor v = x[0];
  const Tensor d = x.detach();
  x.add_(1);
  CHECK(x._version() == 1);
  v.mul_(2);
  d.neg_();
  x.t().zero_();
  x.copy_(ones({3}));
  x.fill_(2);
  {
    const NoGradGuard guard;
    x.exp_();
    v[0].sub_(1);
  }
  CHECK(x._version() == 8);
  CHECK(v._version() == 8);
  CHECK(d._version() == 8);
  x.copy_(ones({3}, kFloat64));  // with a conversion
  x.add_(x.t()[0][0]);           // with a temporary
  x[0].mul_(ones({3}, kFloat64));
  CHECK(x._version() == 11);
  const Tensor w = ones({3}, requires_grad());
  x[1].add_(w);
  x.mul_(w);
  CHECK(x._version() == 13);
  static_cast<void>(x + 1);
  static_cast<void>(x.view({6}));
  static_cast<void>(x.clone().zero_());
  x.data().zero_();
  CHECK(x._version() == 13);
  CHECK(x.data()._version() == 0);
}

TEST_CASE("in-place history: a saved operand that was changed, however it was, is an error") {
  const std::vector<std::pair<const char*, std::function<void(const Tensor&)>>> ways = {
      {"itself", [](const Tensor& x) { x.add_(1); }},
      {"a view", [](const Tensor& x) { x[0].add_(1); }},
      {"an earlier alias", [](const Tensor& x) { x.detach().add_(1); }},
      {"a view of a detached alias", [](const Tensor& x) { x.detach()[0].zero_(); }},
      {"recording off",
       [](const Tensor& x) {
         const NoGradGuard guard;
         x.add_(1);
       }},
      {"inference mode",
       [](const Tensor& x) {
         const InferenceMode guard;
         x.add_(1);
       }},
  };
  for (const auto& [way, change] : ways) {
    INFO(way);
    const Tensor w = tensor({2.0, 3.0}, requires_grad());
    const Tensor x = w * 1;
    const Tensor y = x * w;
    change(x);
    CHECK_THROWS_WITH(y.sum().backward(),
                      StartsWith("backward of MulBackward0: a tensor saved for backward (f32[2], output 0 of ") &&
                          ContainsSubstring(") was changed in place: it is at version 1, need version 0; clone() it "
                                            "before the change"));
    const Tensor constant = tensor({2.0, 3.0});
    const Tensor z = w.pow(constant);
    change(constant);
    CHECK_THROWS_WITH(z.sum().backward(),
                      StartsWith("backward of PowBackward1: a tensor saved for backward (f32[2], a leaf) was changed"));
    CHECK_FALSE(w.grad().defined());
  }
}

TEST_CASE("in-place history: a view that was saved and changed through its base is an error") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor x = w * 1;
  const Tensor y = x[0] * w[1];
  x.mul_(2);
  CHECK_THROWS_WITH(y.backward(), StartsWith("backward of MulBackward0: a tensor saved for backward (f32[], output 0 "
                                             "of AsStridedBackward0) was changed in place: it is at version 1"));
}

TEST_CASE("in-place history: a saved result that was changed is an error") {
  const Tensor w = tensor({0.5, 0.25}, requires_grad());
  const std::vector<std::pair<const char*, std::function<Tensor(const Tensor&)>>> functions = {
      {"ExpBackward0", [](const Tensor& x) { return x.exp(); }},
      {"TanhBackward0", [](const Tensor& x) { return x.tanh(); }},
      {"SigmoidBackward0", [](const Tensor& x) { return x.sigmoid(); }},
      {"TanhBackward0", [](const Tensor& x) { return (x * 1).tanh_(); }},
      {"ExpBackward0", [](const Tensor& x) { return (x * 1).exp_(); }},
  };
  for (const auto& [node, function] : functions) {
    INFO(node);
    const Tensor y = function(w);
    y[0].zero_();
    CHECK_THROWS_WITH(y.sum().backward(),
                      StartsWith(std::string("backward of ") + node +
                                 ": a tensor saved for backward (f32[2], output 0 of " + node + ")"));
    const Tensor z = function(w);
    z.data().zero_();  // goes unnoticed, as it says
    CHECK_NOTHROW(z.sum().backward());
  }
}

TEST_CASE("in-place history: what was not saved may change") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor u = tensor({4.0, 5.0});
  const Tensor a = w * 1;
  const Tensor b = w * 1;
  const Tensor sum = a + b;
  const Tensor scaled = a * 3;
  const Tensor constant = u * w;  // saves u, and w only if u needed a gradient
  const Tensor y = sum - scaled + constant;
  a.zero_();
  b.mul_(2);
  sum.add_(1);
  scaled.neg_();
  y.sum().backward();
  CHECK(bitwise_equal(w.grad(), tensor({3.0, 4.0})));
  {
    const NoGradGuard guard;
    w.zero_();
  }
  CHECK_NOTHROW((u * w).sum().backward());
}

TEST_CASE("in-place history: an operator in place keeps the old value that its backward needs") {
  const Tensor w = tensor({2.0, 3.0}, TensorOptions(kFloat64).requires_grad(true));
  const Tensor u = tensor({5.0, 7.0}, TensorOptions(kFloat64).requires_grad(true));
  const Tensor y = w * 1;
  const void* memory = y.data_ptr();
  y.mul_(u).pow_(2).div_(u);  // w^2 u
  CHECK(y.data_ptr() == memory);
  y.zero_();  // none of them saved the tensor itself
  const Tensor z = w * 1;
  z.mul_(u).pow_(2).div_(u);
  y.copy_(z);
  const std::vector<Tensor> g = autograd::grad({y.sum()}, {w, u}, {}, true);
  CHECK(bitwise_equal(g[0], tensor({20.0, 42.0}, kFloat64)));
  CHECK(test::distance(array_of(g[1]), array_of(tensor({4.0, 9.0}, kFloat64))) < 1e-15);
  // Whoever saved it before the change still notices.
  const Tensor x = w * 1;
  const Tensor saved = x * u;
  x.mul_(u);
  CHECK_THROWS_WITH(saved.sum().backward(), ContainsSubstring("was changed in place"));
}

TEST_CASE("in-place history: a tensor with itself") {
  const Tensor w = tensor({2.0, 3.0}, TensorOptions(kFloat64).requires_grad(true));
  const Tensor y = w * 1;
  y.add_(y);
  CHECK(bitwise_equal(autograd::grad({y.sum()}, {w})[0], tensor({2.0, 2.0}, kFloat64)));
  const Tensor z = w * 1;
  z.mul_(z);  // as in PyTorch: the second operand was saved, and is what changed
  CHECK(bitwise_equal(z.detach(), tensor({4.0, 9.0}, kFloat64)));
  CHECK_THROWS_WITH(z.sum().backward(), ContainsSubstring("was changed in place"));
  z.detach_();  // as in PyTorch, what an operation saved and then changed keeps itself alive
  const Tensor v = w * 1;
  v.copy_(v);
  CHECK(bitwise_equal(autograd::grad({v.sum()}, {w})[0], tensor({1.0, 1.0}, kFloat64)));
}

TEST_CASE("in-place history: what fails changes nothing") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w * 1;
  const Node* node = y.grad_fn().get();
  CHECK_THROWS_AS(y.add_(ones({3})), Error);
  CHECK_THROWS_AS(y.add_(ones({4, 2})), Error);
  CHECK_THROWS_AS(y[0].mul_(w), Error);
  CHECK_THROWS_WITH(zeros({2}, kInt64).mul_(w), StartsWith("mul_: the result is f32, the tensor i64[2]"));
  CHECK_THROWS_WITH(zeros({2}, kInt64).exp_(), StartsWith("exp_: the result is f32, the tensor i64[2]"));
  CHECK(y._version() == 0);
  CHECK(y.grad_fn().get() == node);
  CHECK(bitwise_equal(y.detach(), w.detach()));
  y.sum().backward();
  CHECK(bitwise_equal(w.grad(), tensor({1.0, 1.0})));
}

TEST_CASE("in-place history: an integral tensor takes recorded values and stays off the tape") {
  const Tensor x = zeros({2}, kInt64);
  x.copy_(tensor({2.5, 3.5}, requires_grad()));
  CHECK_FALSE(x.requires_grad());
  CHECK(bitwise_equal(x, tensor({2, 3}, kInt64)));
}

TEST_CASE("in-place history: a detached alias gets a history of its own") {
  const Tensor w = tensor({2.0, 3.0}, requires_grad());
  const Tensor y = w + 0;
  const Tensor v = y[0];
  const Tensor d = y.detach();
  d.mul_(w);
  CHECK(y.grad_fn()->name() == "AddBackward0");
  CHECK(d.grad_fn()->name() == "MulBackward0");
  CHECK(bitwise_equal(autograd::grad({d.sum()}, {w})[0], tensor({2.0, 3.0})));
  CHECK(bitwise_equal(autograd::grad({v + y.sum()}, {w})[0], tensor({2.0, 1.0})));
}

TEST_CASE("in-place history: double backward through CopySlices that frees the graph, and again") {
  const Tensor w = leaf("w", {3});
  const Tensor y = w * w;
  y[0].exp_();
  const Tensor root = y.sum();
  const Tensor g = autograd::grad({root}, {w}, {}, true, true)[0];
  CHECK_NOTHROW(autograd::grad({g.sum()}, {w}, {}, true));
  CHECK_NOTHROW(autograd::grad({root}, {w}));
  CHECK_THROWS_WITH(autograd::grad({root}, {w}), ContainsSubstring("the graph was freed by an earlier backward"));
}
