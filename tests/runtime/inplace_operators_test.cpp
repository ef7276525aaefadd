// Operators of each kind in place, through a base and a view: their first and second derivatives
// (tests/ops/inplace_test.cpp has all of them).
#include <algorithm>
#include <any>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/saved_tensor.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/leaves.h>
#include <backflow/tests/support/thread_engine.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Tensors = std::vector<Tensor>;

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

TEST_CASE("in-place history: saved tensors that hooks have copied may change, and old values go through hooks too") {
  for (const Change& c : changes()) {
    INFO(c.signature);
    const Tensor w = leaf("w");
    const Tensor u = leaf("u");
    const auto changed = [&] {
      Tensor y = w * w;
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
