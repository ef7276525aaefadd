// Normalizations of tensors in channel blocks: the results of row-major ones, in the same blocks, with nothing
// reordered.
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/kernel_counts.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/blocks.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Tensors = std::vector<Tensor>;

struct Kind {
  const char* name;
  std::function<Tensor(const Tensor& x, const Tensor& w, const Tensor& b)> call;
};

std::vector<Kind> kinds(std::int64_t channels) {
  const auto mean = [=](const Tensor& x) { return linspace(-1, 1, channels).to(x.scalar_type()); };
  const auto variance = [=](const Tensor& x) { return linspace(0.5, 2, channels).to(x.scalar_type()); };
  std::vector<Kind> all = {
      {"training", [=](const Tensor& x, const Tensor& w,
                       const Tensor& b) { return batch_norm(x, w, b, mean(x), variance(x), true, 0.1, 1e-3, true); }},
      {"evaluation",
       [=](const Tensor& x, const Tensor& w, const Tensor& b) {
         return batch_norm(x, w, b, mean(x), variance(x), false, 0.1, 1e-3, true);
       }},
      {"instance",
       [=](const Tensor& x, const Tensor& w, const Tensor& b) {
         return instance_norm(x, w, b, mean(x), variance(x), true, 0.1, 1e-3, true);
       }},
      {"one group", [](const Tensor& x, const Tensor& w, const Tensor& b) { return group_norm(x, 1, w, b, 1e-3); }},
  };
  if (channels % 5 == 0 || channels % 3 == 0) {
    const std::int64_t groups = channels % 5 == 0 ? 5 : 3;
    all.push_back({"groups", [=](const Tensor& x, const Tensor& w, const Tensor& b) {
                     return group_norm(x, groups, w, b, 1e-3);
                   }});
  }
  return all;
}

/// The result and the gradients of x, w and b.
Tensors run(const Kind& kind, Tensor x, Tensor w, Tensor b, const Tensor& dy) {
  for (Tensor* leaf : {&x, &w, &b}) {
    leaf->set_requires_grad(true);
  }
  Tensors all{kind.call(x, w, b)};
  const Tensors gradients = autograd::grad({all[0]}, {x, w, b}, {dy});
  all.insert(all.end(), gradients.begin(), gradients.end());
  return all;
}

struct Problem {
  std::vector<std::int64_t> sizes;
  ScalarType dtype;

  Tensor x() const { return random_tensor(sizes, "x", dtype); }
  Tensor dy() const { return random_tensor(sizes, "dy", dtype); }
  Tensor w() const { return random_tensor({sizes[1]}, "w", dtype); }
  Tensor b() const { return random_tensor({sizes[1]}, "b", dtype); }
};

void check_in_blocks(const Problem& p, std::int64_t block) {
  for (const Kind& kind : kinds(p.sizes[1])) {
    CAPTURE(kind.name, p.sizes, p.dtype, block);
    const Tensors expected = run(kind, p.x(), p.w(), p.b(), p.dy());
    const Tensor x = in_blocks(p.x(), block);
    const Tensor dy = in_blocks(p.dy(), block);
    const bool differs = kernels::block_of(x) != 1;
    const auto before = kernel_counts().activation_reorders;
    const Tensors found = run(kind, x, p.w(), p.b(), dy);
    CHECK(kernel_counts().activation_reorders == before);
    for (const std::size_t i : {0, 1}) {
      REQUIRE(kernels::block_of(found[i]) == kernels::block_of(x));
      CHECK((!differs || has_clear_padding(found[i])));
    }
    const double tolerance = p.dtype == kFloat64 ? 1e-10 : p.dtype == kFloat32 ? 5e-5 : 2e-2;
    for (std::size_t i = 0; i < found.size(); ++i) {
      CAPTURE(i);
      CHECK(found[i].scalar_type() == expected[i].scalar_type());
      CHECK(distance(array_of(found[i]), array_of(expected[i])) <= tolerance);
    }
  }
}

/// y and the gradients of a large normalization, on so many threads.
Tensors on_threads(int threads, const Problem& p, std::int64_t block, const Kind& kind) {
  const int before = get_num_threads();
  set_num_threads(threads);
  Tensors all = run(kind, in_blocks(p.x(), block), p.w(), p.b(), in_blocks(p.dy(), block));
  set_num_threads(before);
  return all;
}

}  // namespace

TEST_CASE("normalization: channel blocks of any size", "[normalization]") {
  for (const std::int64_t channels : {1, 3, 5, 17, 24, 40}) {
    for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
      for (const std::int64_t block : {std::int64_t{8}, std::int64_t{16}, channels}) {
        check_in_blocks({{3, channels, 5, 7}, dtype}, block);
      }
    }
  }
}

TEST_CASE("normalization: channel blocks of other shapes", "[normalization]") {
  for (const std::int64_t block : {2, 4, 7, 8, 16, 32, 64, 100}) {
    check_in_blocks({{2, 20, 9}, kFloat32}, block);
    check_in_blocks({{1, 33, 2, 3, 2}, kFloat64}, block);
    check_in_blocks({{2, 10, 1, 2}, kFloat32}, block);
  }
  check_in_blocks({{2, 48, 64, 33}, kFloat32}, 16);  // more than one run
  check_in_blocks({{70, 32, 4, 4}, kFloat32}, 8);
}

TEST_CASE("normalization: a gradient in another form is brought into the blocks of x", "[normalization]") {
  const Problem p{{2, 24, 3, 5}, kFloat32};
  for (const Kind& kind : kinds(24)) {
    CAPTURE(kind.name);
    const Tensors expected = run(kind, p.x(), p.w(), p.b(), p.dy());
    for (const std::int64_t block : {1, 8}) {
      const Tensors found = run(kind, in_blocks(p.x(), 16), p.w(), p.b(), in_blocks(p.dy(), block));
      CHECK(kernels::block_of(found[1]) == 16);
      for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(distance(array_of(found[i]), array_of(expected[i])) <= 2e-5);
      }
    }
  }
}

TEST_CASE("normalization: second derivatives in channel blocks", "[normalization]") {
  const Problem p{{2, 20, 3, 4}, kFloat64};
  const auto second = [&](const Kind& kind, std::int64_t block) {
    const Tensor x = in_blocks(p.x(), block);
    const Tensor w = p.w();
    const Tensor dy = in_blocks(p.dy(), block);
    for (const Tensor& leaf : {x, w, dy}) {
      leaf.set_requires_grad(true);
    }
    const Tensor y = kind.call(x, w, p.b());
    const Tensor dx = autograd::grad({y}, {x}, {dy}, true, true)[0];
    return autograd::grad({(dx * dx).sum()}, {x, w, dy}, {}, {}, false, true);  // x has no part in evaluation
  };
  for (const Kind& kind : kinds(20)) {
    CAPTURE(kind.name);
    const Tensors expected = second(kind, 1);
    const Tensors found = second(kind, 8);
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(
          (found[i].defined() ? distance(array_of(found[i]), array_of(expected[i])) <= 1e-9 : !expected[i].defined()));
    }
  }
}

TEST_CASE("normalization: the same bits on any number of threads", "[normalization]") {
  for (const Problem& p : std::vector<Problem>{{{8, 48, 17, 19}, kFloat32}, {{5, 80, 9, 40}, kFloat64}}) {
    for (const std::int64_t block : {1, 8, 16, 80}) {
      for (const Kind& kind : kinds(p.sizes[1])) {
        CAPTURE(p.sizes, block, kind.name);
        const Tensors expected = on_threads(1, p, block, kind);
        for (const int threads : {2, 4, 8}) {
          CHECK(bitwise_equal(on_threads(threads, p, block, kind), expected));
        }
      }
    }
  }
  const Tensor x = random_tensor({700, 130}, "x");
  const auto rows = [&](int threads) {
    const int before = get_num_threads();
    set_num_threads(threads);
    const Tensor leaf = x.detach().clone();
    const Tensor w = random_tensor({130}, "w");
    leaf.set_requires_grad(true);
    w.set_requires_grad(true);
    const Tensor y = layer_norm(leaf, {130}, w, {});
    const Tensors g = autograd::grad({y}, {leaf, w}, {random_tensor({700, 130}, "dy")});
    set_num_threads(before);
    return Tensors{y, g[0], g[1]};
  };
  for (const int threads : {2, 4, 8}) {
    CHECK(bitwise_equal(rows(threads), rows(1)));
  }
}

TEST_CASE("normalization: exact where the mean is much larger than the deviation", "[normalization]") {
  const Tensor x = random_tensor({8, 16, 31, 33}, "x").to(kFloat64) + 3000;
  const Tensor single = x.to(kFloat32);
  const Tensor exact = single.to(kFloat64);
  const auto check_close = [&](const Tensor& y, const Tensor& expected) {
    CHECK(distance(array_of(y), array_of(expected)) <= 2e-6);
  };
  for (const std::int64_t block : {1, 8, 16}) {
    const Tensor from = in_blocks(single, block);
    check_close(batch_norm(from, {}, {}, {}, {}, true, 0.1, 1e-5, true),
                batch_norm(exact, {}, {}, {}, {}, true, 0.1, 1e-5, true));
    check_close(group_norm(from, 4), group_norm(exact, 4));
  }
  check_close(layer_norm(single, {31, 33}), layer_norm(exact, {31, 33}));
  check_close(layer_norm(single, {16, 31, 33}), layer_norm(exact, {16, 31, 33}));
}

TEST_CASE("normalization: running statistics", "[normalization]") {
  const Tensor x = random_tensor({4, 3, 5}, "x", kFloat64);
  const Tensor mean = full({3}, 2.0, kFloat64);
  const Tensor variance = full({3}, 3.0, kFloat64);
  const auto version = mean._version();
  batch_norm(x, {}, {}, mean, variance, true, 0.25, 1e-5, true);
  CHECK(mean._version() == version + 1);
  CHECK(distance(array_of(mean), array_of(x.mean({0, 2}) * 0.25 + 1.5)) < 1e-12);
  CHECK(distance(array_of(variance), array_of(x.var({0, 2}, true) * 0.25 + 2.25)) < 1e-12);
  batch_norm(x, {}, {}, mean, variance, false, 0.25, 1e-5, true);
  CHECK(mean._version() == version + 1);

  mean.fill_(2);
  variance.fill_(3);
  instance_norm(x, {}, {}, mean, variance, true, 0.25, 1e-5, true);
  CHECK(distance(array_of(mean), array_of(x.mean({0, 2}) * 0.25 + 1.5)) < 1e-12);
  CHECK(distance(array_of(variance), array_of(x.var({2}, true).mean(0) * 0.25 + 2.25)) < 1e-12);

  mean.fill_(2);
  batch_norm(zeros({0, 3, 5}, kFloat64), {}, {}, mean, variance, true, 0.25, 1e-5, true);
  CHECK(distance(array_of(mean), array_of(full({3}, 2.0))) == 0);
}

TEST_CASE("normalization: running statistics that changed before backward are found in evaluation", "[normalization]") {
  const Tensor x = random_tensor({4, 3, 5}, "x");
  x.set_requires_grad(true);
  const Tensor mean = zeros({3});
  const Tensor variance = ones({3});
  const Tensor trained = batch_norm(x, {}, {}, mean, variance, true, 0.1, 1e-5, true);
  const Tensor evaluated = batch_norm(x, {}, {}, mean, variance, false, 0.1, 1e-5, true);
  mean.add_(1);
  CHECK_NOTHROW(trained.sum().backward());
  CHECK_THROWS_AS(evaluated.sum().backward(), Error);
}

TEST_CASE("normalization: results beside y", "[normalization]") {
  const Tensor x = random_tensor({4, 6, 5}, "x", kFloat64);
  const auto [y, mean, rstd] = native_batch_norm(x, {}, {}, {}, {}, true, 0.1, 1e-5);
  CHECK(distance(array_of(mean), array_of(x.mean({0, 2}))) < 1e-12);
  CHECK(distance(array_of(rstd), array_of(rsqrt(x.var({0, 2}, false) + 1e-5))) < 1e-12);
  const auto [z, group_mean, group_rstd] = native_group_norm(x, {}, {}, 4, 6, 5, 2, 1e-5);
  CHECK(distance(array_of(group_mean), array_of(x.reshape({4, 2, 15}).mean(2))) < 1e-12);
  const auto [v, row_mean, row_rstd] = native_layer_norm(x, {6, 5}, {}, {}, 1e-5);
  CHECK(distance(array_of(row_mean), array_of(x.mean({1, 2}, true))) < 1e-12);
  CHECK(distance(array_of(row_rstd), array_of(rsqrt(x.var({1, 2}, false, true) + 1e-5))) < 1e-12);
  CHECK(distance(array_of(rms_norm(x, {5})), array_of(x * rsqrt((x * x).mean(2, true) + 2.220446049250313e-16))) <
        1e-12);
}

TEST_CASE("normalization: bfloat16 beside float32 parameters", "[normalization]") {
  const Tensor x = random_tensor({4, 6, 5}, "x", kBFloat16);
  const Tensor w = random_tensor({6}, "w");
  x.set_requires_grad(true);
  w.set_requires_grad(true);
  const Tensor mean = zeros({6});
  const Tensor y = batch_norm(x, w, {}, mean, ones({6}), true, 1, 1e-5, true);
  CHECK(y.scalar_type() == kBFloat16);
  CHECK(distance(array_of(mean), array_of(x.detach().to(kFloat32).mean({0, 2}))) < 1e-6);
  y.backward(ones(y.sizes(), kBFloat16));
  CHECK(x.grad().scalar_type() == kBFloat16);
  CHECK(w.grad().scalar_type() == kFloat32);
}

TEST_CASE("errors: normalization", "[normalization]") {
  check_all({
      {"batch_norm: input f32[1, 3]: need more than 1 value per channel when training",
       [] {
         batch_norm(f32({1, 3}), {}, {}, {}, {}, true, 0.1, 1e-5, true);
       }},
      {"batch_norm: weight f32[2], input f32[4, 3]: need the input's dtype and sizes [3]",
       [] {
         batch_norm(f32({4, 3}), f32({2}), {}, {}, {}, true, 0.1, 1e-5, true);
       }},
      {"batch_norm: bias f64[3], input f32[4, 3]: need the input's dtype and sizes [3]",
       [] {
         batch_norm(f32({4, 3}), {}, f64({3}), {}, {}, true, 0.1, 1e-5, true);
       }},
      {"batch_norm: running_mean undefined, running_var f32[3]: need both where the statistics of the input are not "
       "used",
       [] {
         batch_norm(f32({4, 3}), {}, {}, {}, f32({3}), false, 0.1, 1e-5, true);
       }},
      {"batch_norm: input f32[3]: need a floating-point tensor [batch, channels, ...]",
       [] { batch_norm(f32({3}), {}, {}, {}, {}, true, 0.1, 1e-5, true); }},
      {"group_norm: 4 groups of the channels of f32[2, 6, 3]: need a number of groups that divides that of channels, 6",
       [] {
         group_norm(f32({2, 6, 3}), 4);
       }},
      {"group_norm: 0 groups of the channels of f32[2, 6, 3]: need a number of groups that divides that of channels, 6",
       [] {
         group_norm(f32({2, 6, 3}), 0);
       }},
      {"native_group_norm: N 2, C 6, HxW 4, input f32[2, 6, 3]: need those of the input",
       [] {
         native_group_norm(f32({2, 6, 3}), {}, {}, 2, 6, 4, 3, 1e-5);
       }},
      {"layer_norm: normalized_shape [4], input f32[2, 3]: need the last sizes of the input",
       [] {
         layer_norm(f32({2, 3}), {4});
       }},
      {"layer_norm: normalized_shape [], input f32[2, 3]: need the last sizes of the input",
       [] {
         layer_norm(f32({2, 3}), IntArrayRef());
       }},
      {"rms_norm: weight f32[2], input f32[2, 3]: need the input's dtype and sizes [3]",
       [] {
         rms_norm(f32({2, 3}), {3}, f32({2}));
       }},
  });
}
