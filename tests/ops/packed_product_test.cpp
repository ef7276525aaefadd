// Products with packed weights: when there are any, their values and bits, and what becomes of them after a change.
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include <backflow/ops/autograd/checkpoint.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/kernel_counts.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tape/custom_function.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/threads/cuts.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>

namespace backflow::test {
namespace {

/// Values whose address nobody has.
Tensor weights(std::vector<std::int64_t> sizes, const std::string& key) {
  return random_tensor(std::move(sizes), key, kFloat32, -1, 1).clone();
}

template <class F>
std::int64_t packs_of(const F& body) {
  const std::int64_t before = kernel_counts().weight_reorders;
  static_cast<void>(body());
  return kernel_counts().weight_reorders - before;
}

/// Whether this processor has packed weights at all.
bool has_packed_products() {
  const NoGradGuard no_grad;
  const Tensor w = weights({256, 256}, "w");
  return packs_of([&] { return linear(ones({8, 256}), w); }) == 1;
}

double error_of(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& bias) {
  const NoGradGuard no_grad;
  const auto wide = [](const Tensor& t) { return t.defined() ? t.to(kFloat64) : t; };
  const Tensor expected = linear(wide(x), wide(w), wide(bias));
  return distance(array_of(y), array_of(expected));
}

struct Shape {
  std::int64_t m;
  std::int64_t k;
  std::int64_t n;
};

// One piece and many, with and without columns left over, and shapes beside the limits.
const std::vector<Shape> kShapes = {{8, 256, 256},  {4, 1024, 64},  {5, 700, 333},    {32, 1024, 1024}, {128, 300, 700},
                                    {17, 64, 1024}, {64, 515, 130}, {31, 1000, 1001}, {3, 512, 512},    {129, 256, 256},
                                    {8, 63, 2000},  {8, 2000, 63},  {16, 255, 256},   {0, 256, 256},    {1, 512, 512}};

TEST_CASE("packed products: values, and bits on 1, 2, 4, 8 threads", "[op]") {
  const NoGradGuard no_grad;
  for (const Shape& s : kShapes) {
    CAPTURE(s.m, s.k, s.n);
    const Tensor x = weights({s.m, s.k}, "x");
    const Tensor w = weights({s.n, s.k}, "w");
    const Tensor bias = weights({s.n}, "b");
    for (const Tensor& b : {Tensor(), bias}) {
      Tensor first;
      for (const int n : {1, 2, 4, 8}) {
        const Threads threads(n);
        for (int call = 0; call < 3; ++call) {
          const Tensor y = linear(x, w, b);
          first = first.defined() ? first : y;
          REQUIRE(bitwise_equal(y, first));
        }
      }
      CHECK(error_of(first, x, w, b) <= 1e-4);
    }
  }
}

TEST_CASE("packed products: bits do not depend on the cut", "[op]") {
  const NoGradGuard no_grad;
  for (const Shape& s : kShapes) {
    const Tensor x = weights({s.m, s.k}, "x");
    const Tensor w = weights({s.n, s.k}, "w");
    for (const Tensor& b : {Tensor(), weights({s.n}, "b")}) {
      const Tensor whole = linear(x, w, b);
      for (const std::int64_t pieces : {1, 2, 3, 7, 64}) {
        const ForcedPieces forced(pieces);
        CAPTURE(s.m, s.k, s.n, pieces);
        REQUIRE(bitwise_equal(linear(x, w, b), whole));
      }
    }
  }
}

TEST_CASE("packed products: any input of linear", "[op]") {
  const NoGradGuard no_grad;
  const Tensor w = weights({300, 256}, "w");
  const Tensor bias = weights({600}, "b");
  const Tensor x = weights({4, 5, 256}, "x");
  const Tensor flat = linear(x.reshape({20, 256}), w, bias.slice(0, 0, 300));
  CHECK(bitwise_equal(linear(x, w, bias.slice(0, 0, 300)), flat.reshape({4, 5, 300})));
  CHECK(error_of(linear(x.transpose(0, 1), w), x.transpose(0, 1).contiguous(), w, {}) <= 1e-4);
  CHECK(error_of(linear(x.permute({2, 0, 1}).contiguous().permute({1, 2, 0}), w), x, w, {}) <= 1e-4);
  CHECK(error_of(linear(x, w, bias.slice(0, 0, 600, 2)), x, w, bias.slice(0, 0, 600, 2)) <= 1e-4);
  CHECK(linear(x[0][0], w).sizes() == IntArrayRef(300));
}

TEST_CASE("packed products: weights are packed once for each form and change", "[op]") {
  if (!has_packed_products()) {
    return;
  }
  const Tensor x = weights({8, 256}, "x");
  const Tensor w = weights({320, 256}, "w").set_requires_grad(true);
  const auto evaluate = [&] {
    const NoGradGuard no_grad;
    Tensor y;
    for (int i = 0; i < 5; ++i) {
      y = linear(x, w);
    }
    CHECK(error_of(y, x, w, {}) <= 1e-4);
    return y;
  };
  const auto change = [&](const auto& body) {
    const NoGradGuard no_grad;
    body();
  };
  CHECK(packs_of(evaluate) == 1);
  CHECK(packs_of(evaluate) == 0);
  change([&] { w.add_(0.5); });
  CHECK(packs_of(evaluate) == 1);
  change([&] { w.copy_(weights({320, 256}, "loaded")); });
  CHECK(packs_of(evaluate) == 1);
  w.data().mul_(2);
  CHECK(packs_of(evaluate) == 1);
  change([&] { w.slice(0, 7, 9).fill_(3); });
  CHECK(packs_of(evaluate) == 1);
  w.set_data(weights({320, 256}, "other"));
  CHECK(packs_of(evaluate) == 1);
  CHECK(packs_of(evaluate) == 0);
}

TEST_CASE("packed products: none where gradients are recorded or computed", "[op]") {
  const Tensor x = weights({8, 256}, "x").set_requires_grad(true);
  const Tensor w = weights({256, 256}, "w").set_requires_grad(true);
  const auto train = [&] {
    const Tensor y = addmm(weights({256}, "b"), mm(linear(x, w), w), w.t());
    const Tensor dx = autograd::grad({(y * y).sum()}, {x, w}, {}, true, true)[0];
    dx.sum().backward();
    return y;
  };
  CHECK(packs_of(train) == 0);
  CHECK(packs_of([&] { return checkpoint([&](const Tensor& t) { return linear(t, w); }, x).sum().backward(), 0; }) ==
        0);
}

/// As users write it: the forward of a custom function is not recorded itself.
struct Layer : autograd::Function<Layer> {
  static Tensor forward(autograd::AutogradContext* context, const Tensor& x, const Tensor& w) {
    context->save_for_backward({x, w});
    return x.mm(w.t());
  }
  static autograd::variable_list backward(autograd::AutogradContext* context, const autograd::variable_list& dy) {
    const auto saved = context->get_saved_variables();
    return {dy[0].mm(saved[1]), dy[0].t().mm(saved[0])};
  }
};

TEST_CASE("packed products: custom functions", "[op]") {
  const Tensor x = weights({8, 256}, "x");
  const Tensor w = weights({256, 256}, "w").set_requires_grad(true);
  CHECK(packs_of([&] { return Layer::apply(x, w).sum().backward(), 0; }) == 0);
  const std::int64_t expected = has_packed_products() ? 1 : 0;
  const NoGradGuard no_grad;
  CHECK(packs_of([&] { return Layer::apply(x, w); }) == expected);
}

TEST_CASE("packed products: frozen weights, also while others are trained", "[op]") {
  const std::int64_t expected = has_packed_products() ? 1 : 0;
  const Tensor x = weights({8, 256}, "x").set_requires_grad(true);
  const Tensor w = weights({256, 256}, "w");
  Tensor y;
  CHECK(packs_of([&] { return (y = linear(x, w)).sum().backward(), 0; }) == expected);
  CHECK(packs_of([&] { return linear(x, w).sum().backward(), 0; }) == 0);
  CHECK(error_of(y.detach(), x.detach(), w, {}) <= 1e-4);
  const Tensor dx = x.grad().detach();
  CHECK(distance(array_of(dx), array_of(w.sum(0).mul(2).expand({8, 256}))) <= 1e-4);
  const InferenceMode inference;
  CHECK(bitwise_equal(linear(x, w), y.detach()));
  const Tensor made_here = weights({256, 256}, "v");
  CHECK(packs_of([&] { return linear(x, made_here); }) == expected);
  made_here.add_(1);
  CHECK(packs_of([&] { return linear(x, made_here); }) == expected);
  CHECK(error_of(linear(x, made_here), x, made_here, {}) <= 1e-4);
}

TEST_CASE("packed products: of matrices by parameters, never by activations", "[op]") {
  const std::int64_t expected = has_packed_products() ? 1 : 0;
  const Tensor x = weights({8, 256}, "x");
  const Tensor bias = weights({320}, "b");
  const Tensor w = weights({256, 320}, "w").set_requires_grad(true);
  const Tensor v = weights({320, 256}, "v").set_requires_grad(true);
  const Tensor seen = weights({256, 320}, "w");
  const NoGradGuard no_grad;
  const auto all = [&](const Tensor& right) {
    return packs_of([&] { return mm(x, right); }) + packs_of([&] {
             return matmul(x.reshape({2, 4, 256}), right);
           }) +
           packs_of([&] { return addmm(bias, x, right); });
  };
  CHECK(all(w) == expected);  // one form serves all
  CHECK(all(v.t()) == expected);
  CHECK(all(w) == 0);
  CHECK(all(seen) == 0);
  CHECK(all(relu(w)) == 0);
  CHECK(all(seen.t().contiguous().t()) == 0);
  CHECK(error_of(mm(x, w), x, w.t(), {}) <= 1e-4);
  CHECK(error_of(mm(x, v.t()), x, v, {}) <= 1e-4);
  CHECK(error_of(addmm(bias, x, w), x, w.t(), bias) <= 1e-4);
  CHECK(bitwise_equal(addmm(bias, x, v.t()), linear(x, v, bias)));
  CHECK(distance(array_of(addmm(bias, x, w, 2, 3)), array_of(mm(x, w).mul(3).add(bias.mul(2)))) <= 1e-4);
  CHECK(distance(array_of(addmm(ones({8, 320}), x, w)), array_of(mm(x, w).add(1))) <= 1e-4);
}

TEST_CASE("packed products: parts of weights and weights whose address is known are not packed", "[op]") {
  const NoGradGuard no_grad;
  const Tensor x = weights({8, 256}, "x");
  const Tensor w = weights({600, 256}, "w").set_requires_grad(true);
  const auto check_plain = [&](const Tensor& part) {
    Tensor y;
    CHECK(packs_of([&] { return y = linear(x, part); }) == 0);
    CHECK(error_of(y, x, part, {}) <= 1e-4);
    CHECK(packs_of([&] { return y = mm(x, part.t()); }) == 0);
    CHECK(error_of(y, x, part, {}) <= 1e-4);
  };
  check_plain(w.slice(0, 0, 300));
  check_plain(w.slice(0, 300, 600));
  check_plain(w.slice(0, 0, 600, 2));
  check_plain(weights({300, 512}, "v").slice(1, 0, 256));
  check_plain(weights({256, 400}, "v").slice(1, 0, 300).t());
  check_plain(weights({1, 256}, "v").expand({300, 256}));
  static_cast<void>(linear(x, w));
  w.data_ptr<float>()[0] = 1000;
  check_plain(w);
  w.data_ptr<float>()[1] = -1000;
  check_plain(w);
}

TEST_CASE("packed products: several threads evaluate at once", "[op]") {
  const Tensor w = weights({512, 300}, "w");
  const Tensor x = weights({64, 300}, "x");
  std::vector<Tensor> expected;
  {
    const NoGradGuard no_grad;
    for (int i = 0; i < 8; ++i) {
      expected.push_back(linear(x.slice(0, 0, 8 * i + 8), w.clone()));
    }
  }
  for (int round = 0; round < 4; ++round) {
    std::vector<Tensor> results(8);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const NoGradGuard no_grad;
        for (int call = 0; call < 10; ++call) {
          results[i] = linear(x.slice(0, 0, 8 * static_cast<std::int64_t>(i) + 8), w);
        }
      });
    }
    for (std::thread& t : threads) {
      t.join();
    }
    CHECK(bitwise_equal(results, expected));
    w.mul_(1);  // packed anew
  }
}

}  // namespace
}  // namespace backflow::test
