// Changes in place that are recorded: versions, saved tensors that were changed, old values that are kept, and
// operators of each kind through a base and a view (tests/ops/inplace_test.cpp has all of them).
#include <any>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <backflow/ops/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/autograd.h>
#include <backflow/runtime/engine.h>
#include <backflow/runtime/grad_mode.h>
#include <backflow/runtime/memory.h>
#include <backflow/runtime/node.h>
#include <backflow/runtime/saved_tensor.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/thread_engine.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Tensors = std::vector<Tensor>;

Tensor leaf(const char* key, std::vector<std::int64_t> sizes = {2, 3}) {
  Tensor x = random_tensor(std::move(sizes), key, kFloat64, 0.3, 2);  // positive, for logarithms and powers
  x.requires_grad_();
  return x;
}

/// x as a matrix.
Tensor matrix(const Tensor& x) { return x.dim() == 1 ? x.unsqueeze(0) : x; }
/// w as a matrix of the shape of x, and the unit matrix that it can be multiplied by.
Tensor matrix_like(const Tensor& w, const Tensor& x) { return matrix(w.expand_as(x)); }
Tensor unit_of(const Tensor& x) { return eye(x.size(-1), kFloat64); }

void addmv_rows(const Tensor& x, const Tensor& w) {
  const Tensor rows = matrix(x);
  const Tensor other = matrix_like(w, x);
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    rows[i].addmv_(unit_of(x), other[i], 2, 3);
  }
}

/// An operator in place, and the composition that it has to agree with.
struct Change {
  std::string signature;
  std::function<void(const Tensor& x, const Tensor& w)> inplace;
  std::function<Tensor(const Tensor& x, const Tensor& w)> composed;
};

const std::vector<Change>& changes() {
  using T = Tensor;
  static const std::vector<Change> kChanges = {
      {"add_(Tensor self, Tensor other, Scalar alpha=1)", [](auto& x, auto& w) { x.add_(w); },
       [](const T& x, const T& w) { return x + w; }},
      {"add_(Tensor self, Scalar other)", [](auto& x, auto&) { x.add_(3); },
       [](const T& x, const T&) { return x + 3; }},
      {"add_(Tensor self, Tensor other, Scalar alpha=1)", [](auto& x, auto& w) { x.add_(w, 3); },
       [](const T& x, const T& w) { return x + w * 3; }},
      {"sub_(Tensor self, Tensor other, Scalar alpha=1)", [](auto& x, auto& w) { x.sub_(w); },
       [](const T& x, const T& w) { return x - w; }},
      {"sub_(Tensor self, Scalar other)", [](auto& x, auto&) { x.sub_(3); },
       [](const T& x, const T&) { return x - 3; }},
      {"sub_(Tensor self, Tensor other, Scalar alpha=1)", [](auto& x, auto& w) { x.sub_(w, 3); },
       [](const T& x, const T& w) { return x - w * 3; }},
      {"mul_(Tensor self, Tensor other)", [](auto& x, auto& w) { x.mul_(w); },
       [](const T& x, const T& w) { return x * w; }},
      {"mul_(Tensor self, Scalar other)", [](auto& x, auto&) { x.mul_(3); },
       [](const T& x, const T&) { return x * 3; }},
      {"div_(Tensor self, Tensor other)", [](auto& x, auto& w) { x.div_(w); },
       [](const T& x, const T& w) { return x * w.pow(-1); }},
      {"div_(Tensor self, Scalar other)", [](auto& x, auto&) { x.div_(4); },
       [](const T& x, const T&) { return x * 0.25; }},
      {"pow_(Tensor self, Tensor exponent)", [](auto& x, auto& w) { x.pow_(w); },
       [](const T& x, const T& w) { return (x.log() * w).exp(); }},
      {"pow_(Tensor self, Scalar exponent)", [](auto& x, auto&) { x.pow_(3); },
       [](const T& x, const T&) { return x * x * x; }},
      {"xlogy_(Tensor self, Tensor other)", [](auto& x, auto& w) { x.xlogy_(w); },
       [](const T& x, const T& w) { return x * w.log(); }},
      {"copy_(Tensor self, Tensor src)", [](auto& x, auto& w) { x.copy_(w); },
       [](const T& x, const T& w) { return x * 0 + w; }},
      {"zero_(Tensor self)", [](auto& x, auto&) { x.zero_(); }, [](const T& x, const T&) { return x * 0; }},
      {"fill_(Tensor self, Scalar value)", [](auto& x, auto&) { x.fill_(3); },
       [](const T& x, const T&) { return x * 0 + 3; }},
      {"neg_(Tensor self)", [](auto& x, auto&) { x.neg_(); }, [](const T& x, const T&) { return x * -1; }},
      {"exp_(Tensor self)", [](auto& x, auto&) { x.exp_(); }, [](const T& x, const T&) { return x.exp(); }},
      {"log_(Tensor self)", [](auto& x, auto&) { x.log_(); }, [](const T& x, const T&) { return x.log(); }},
      {"relu_(Tensor self)", [](auto& x, auto&) { x.relu_(); }, [](const T& x, const T&) { return x.relu(); }},
      {"tanh_(Tensor self)", [](auto& x, auto&) { x.tanh_(); }, [](const T& x, const T&) { return x.tanh(); }},
      {"sigmoid_(Tensor self)", [](auto& x, auto&) { x.sigmoid_(); },
       [](const T& x, const T&) { return (1 + (-x).exp()).pow(-1); }},
      {"abs_(Tensor self)", [](auto& x, auto&) { x.abs_(); }, [](const T& x, const T&) { return x.abs(); }},
      {"sign_(Tensor self)", [](auto& x, auto&) { x.sign_(); }, [](const T& x, const T&) { return x.sign(); }},
      {"square_(Tensor self)", [](auto& x, auto&) { x.square_(); }, [](const T& x, const T&) { return x * x; }},
      {"sqrt_(Tensor self)", [](auto& x, auto&) { x.sqrt_(); }, [](const T& x, const T&) { return x.pow(0.5); }},
      {"sin_(Tensor self)", [](auto& x, auto&) { x.sin_(); }, [](const T& x, const T&) { return x.sin(); }},
      {"cos_(Tensor self)", [](auto& x, auto&) { x.cos_(); }, [](const T& x, const T&) { return x.cos(); }},
      {"clamp_(Tensor self, Scalar? min=None, Scalar? max=None)", [](auto& x, auto&) { x.clamp_(0.2, 0.8); },
       [](const T& x, const T&) { return x.clamp(0.2, 0.8); }},
      {"clamp_min_(Tensor self, Scalar min)", [](auto& x, auto&) { x.clamp_min_(0.5); },
       [](const T& x, const T&) { return x.clamp_min(0.5); }},
      {"clamp_max_(Tensor self, Scalar max)", [](auto& x, auto&) { x.clamp_max_(0.5); },
       [](const T& x, const T&) { return x.clamp_max(0.5); }},
      {"addmm_(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1)",
       [](auto& x, auto& w) { matrix(x).addmm_(matrix_like(w, x), unit_of(x), 2, 3); },
       [](const T& x, const T& w) { return x * 2 + w.expand_as(x) * 3; }},
      {"addmv_(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1)", addmv_rows,
       [](const T& x, const T& w) { return x * 2 + w.expand_as(x) * 3; }},
      {"addbmm_(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1)",
       [](auto& x, auto& w) { matrix(x).addbmm_(matrix_like(w, x).unsqueeze(0), unit_of(x).unsqueeze(0), 2, 3); },
       [](const T& x, const T& w) { return x * 2 + w.expand_as(x) * 3; }},
      {"baddbmm_(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1)",
       [](auto& x, auto& w) {
         matrix(x).unsqueeze(0).baddbmm_(matrix_like(w, x).unsqueeze(0), unit_of(x).unsqueeze(0), 2, 3);
       },
       [](const T& x, const T& w) { return x * 2 + w.expand_as(x) * 3; }},
      {"bernoulli_(Tensor self, float p=0.5, *, Generator? generator=None)", [](auto& x, auto&) { x.bernoulli_(1); },
       [](const T& x, const T&) { return x * 0 + 1; }},
  };
  return kChanges;
}

/// `x` with its first column, as a row, replaced by f(column).
Tensor with_first_column(const Tensor& x, const std::function<Tensor(const Tensor&)>& f) {
  const Tensor mask = tensor({1.0, 0.0, 0.0}, kFloat64);
  const Tensor column = f(x.select(1, 0)).view({2, 1}).expand({2, 3});
  return x * (1 - mask) + column * mask;
}

/// First and second derivatives with respect to the leaves.
Tensors derivatives(const Tensor& y, const Tensors& leaves) {
  const Tensor root = (y * random_tensor(y.sizes().vec(), "dy", kFloat64)).sum();
  Tensors all = autograd::grad({root}, leaves, {}, true, true, true);
  Tensor sum = zeros({}, kFloat64);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (all[i].defined()) {
      sum = sum + (all[i] * random_tensor(leaves[i].sizes().vec(), "v", kFloat64)).sum();
    }
  }
  if (sum.requires_grad()) {
    for (const Tensor& g : autograd::grad({sum}, leaves, {}, std::nullopt, false, true)) {
      all.push_back(g);
    }
  }
  all.resize(2 * leaves.size());
  return all;
}

/// The largest distance; an undefined gradient counts as zeros.
double distance(const Tensors& a, const Tensors& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto sizes = a[i].defined() ? a[i].sizes() : b[i].defined() ? b[i].sizes() : IntArrayRef();
    const auto values = [&](const Tensor& x) { return x.defined() ? array_of(x) : array_of(sizes.vec()); };
    largest = std::max(largest, test::distance(values(a[i]), values(b[i])));
  }
  return largest;
}

}  // namespace

TEST_CASE("in-place history: operators on a tensor, a view and a constant, first and second derivatives") {
  for (const Change& c : changes()) {
    INFO(c.signature);
    const Tensor w = leaf("w");
    const Tensor u = leaf("u");
    const Tensor row = leaf("row", {2});
    const Tensors leaves = {w, u, row};

    const Tensor y = w * 1;
    c.inplace(y, u);
    CHECK(distance(derivatives(y, leaves), derivatives(c.composed(w, u), leaves)) < 1e-12);

    const Tensor base = w * w;
    c.inplace(base.select(1, 0), row);
    const Tensor expected = with_first_column(w * w, [&](const Tensor& x) { return c.composed(x, row); });
    CHECK(distance(array_of(base), array_of(expected)) < 1e-14);
    CHECK(distance(derivatives(base, leaves), derivatives(expected, leaves)) < 1e-12);

    const Tensor transposed = (w * w).t();
    c.inplace(transposed, u.t());
    CHECK(distance(derivatives(transposed.t(), leaves), derivatives(c.composed(w * w, u), leaves)) < 1e-12);

    const Tensor constant = random_tensor({2, 3}, "constant", kFloat64, 0.3, 2);
    const Tensor was = constant.clone();
    c.inplace(constant.select(1, 0), row);
    if (constant.requires_grad()) {
      const Tensor composed = with_first_column(was, [&](const Tensor& x) { return c.composed(x, row); });
      CHECK(distance(derivatives(constant, leaves), derivatives(composed, leaves)) < 1e-12);
    }

    const Tensor broadcast = w * 1;
    c.inplace(broadcast.t(), row);  // over the columns
    CHECK(distance(derivatives(broadcast, leaves), derivatives(c.composed(w.t(), row).t(), leaves)) < 1e-12);
  }
}

TEST_CASE("in-place history: operators at the end of a chain, bitwise equal on every engine") {
  for (const Change& c : changes()) {
    INFO(c.signature);
    SerialEngine serial;
    FlowEngine flow(FlowEngine::Use::Always);
    ThreadEngine threads(3);
    Tensors first;
    for (Engine* engine :
         {static_cast<Engine*>(&serial), static_cast<Engine*>(&flow), static_cast<Engine*>(&threads)}) {
      const EngineGuard guard(*engine);
      const Tensor w = leaf("w");
      const Tensor u = leaf("u", {3});
      const Tensor y = w * u;
      const Tensor sibling = y.t();
      y[1].mul_(u);
      y.mul_(0.1).add_(1);
      c.inplace(y[0], u);
      const Tensors g = derivatives(y + sibling.t(), {w, u});
      if (first.empty()) {
        first = g;
      }
      CHECK(bitwise_equal(g, first));
    }
  }
}

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
  const Tensors g = autograd::grad({y.sum()}, {w, u}, {}, true);
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

TEST_CASE("in-place history: saved tensors that hooks have copied may change, and old values go through hooks too") {
  for (const Change& c : changes()) {
    INFO(c.signature);
    const Tensor w = leaf("w");
    const Tensor u = leaf("u");
    const auto changed = [&] {
      const Tensor y = w * w;
      c.inplace(y.t(), u.t());
      return y;
    };
    const Tensors expected = derivatives(changed(), {w, u});
    Tensor y;
    {
      const SavedTensorHooks hooks([](const Tensor& x) { return std::any(x.clone()); },
                                   [](const std::any& x) { return std::any_cast<Tensor>(x); });
      y = changed();
      const Tensor copy = y * 1;
      {
        const NoGradGuard guard;
        y.fill_(9);
      }
      y = copy;
    }
    CHECK(bitwise_equal(derivatives(y, {w, u}), expected));
  }
}
