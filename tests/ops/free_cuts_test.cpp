// Kernels without sums across pieces give the same bits however they are cut: on tensors that are large enough for 64
// pieces, and of sizes that no cut divides.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/threads/cuts.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/blocks.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr std::int64_t kRows = 523;
constexpr std::int64_t kColumns = 1031;

using Results = std::vector<Tensor>;
using Run = std::function<Results()>;

Tensor numbers(IntArrayRef sizes, const char* name, ScalarType dtype = kFloat32) {
  return random_tensor(sizes.vec(), name, dtype);
}

/// What `run` returns for any number of pieces is what it returns for one.
void check_cuts(const std::string& name, const Run& run) {
  const auto results_of = [&](std::int64_t pieces) {
    const ForcedPieces forced(pieces);
    return run();
  };
  const Results expected = results_of(1);
  for (const std::int64_t pieces : {2, 3, 7, 64}) {
    const Results results = results_of(pieces);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CAPTURE(name, pieces, i);
      CHECK(bitwise_equal(results[i], expected[i]));
    }
  }
}

/// y of x, and dx of a dy that differs from element to element.
Results with_gradient(const Tensor& x, const std::function<Tensor(const Tensor&)>& f) {
  const AutoGradMode recording(true);
  Tensor leaf = x.detach();
  leaf.set_requires_grad(true);
  const Tensor y = f(leaf);
  return {y.detach(), autograd::grad({y}, {leaf}, {numbers(y.sizes(), "dy", y.scalar_type())})[0]};
}

}  // namespace

TEST_CASE("free cuts: element-wise loops") {
  const NoGradGuard guard;
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    const Tensor x = numbers({kRows, kColumns}, "x", dtype);
    const Tensor w = numbers({kRows, kColumns}, "w", dtype);
    check_cuts("add", [&] { return Results{x + w}; });
    check_cuts("exp", [&] { return Results{exp(x)}; });
    check_cuts("gelu", [&] { return Results{gelu(x)}; });
    check_cuts("add a row", [&] { return Results{x + w.select(0, 3)}; });
    check_cuts("add a column", [&] { return Results{x + w.slice(1, 5, 6)}; });
    check_cuts("add a transposed tensor", [&] { return Results{x.transpose(0, 1) + w.transpose(0, 1).contiguous()}; });
    check_cuts("lerp", [&] { return Results{lerp(x, w, x)}; });
    check_cuts("compare", [&] { return Results{x < w}; });
    check_cuts("where", [&] { return Results{where(x < w, x, w)}; });
    check_cuts("in place", [&] { return Results{clone(x).mul_(w).add_(x, 0.3)}; });
  }
  const Tensor i = to(numbers({kRows, kColumns}, "x") * 1000.0, kInt64);
  check_cuts("integers", [&] { return Results{i * i + i, floor_divide(i, abs(i) + 1)}; });
  check_cuts("ranges", [&] {
    return Results{arange(100003), arange(0.5, 7e4, 0.7), linspace(-3, 5, 100003), linspace(0, 1e9, 100003, kInt64)};
  });
}

TEST_CASE("free cuts: results that are written past the caches") {
  const NoGradGuard guard;
  const Tensor x = numbers({2051, 4099}, "x");
  check_cuts("add", [&] { return Results{x + x}; });
  check_cuts("transpose", [&] { return Results{x.transpose(0, 1).contiguous()}; });
}

TEST_CASE("free cuts: copies") {
  const NoGradGuard guard;
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    const Tensor x = numbers({kRows, kColumns}, "x", dtype);
    check_cuts("clone", [&] { return Results{clone(x)}; });
    check_cuts("transpose", [&] { return Results{x.transpose(0, 1).contiguous()}; });
    check_cuts("every third", [&] { return Results{x.slice(1, 1, kColumns, 3).contiguous()}; });
    check_cuts("convert", [&] { return Results{to(x, kFloat64), to(x.transpose(0, 1), kInt32)}; });
    check_cuts("fill", [&] { return Results{full_like(x, 3.5)}; });
    check_cuts("triangles", [&] { return Results{tril(x, 7), triu(x, -9)}; });
    check_cuts("flip", [&] { return Results{flip(x, {0, 1})}; });
  }
  const Tensor image = numbers({3, 36, 37, 41}, "image");
  check_cuts("shuffle", [&] { return Results{pixel_shuffle(image, 2), pixel_unshuffle(pixel_shuffle(image, 3), 3)}; });
  check_cuts("pad", [&] {
    return with_gradient(image, [](const Tensor& x) { return pad(x, {2, 3, 1, 4}, "reflect"); });
  });
  for (const std::int64_t block : {1, 8, 16}) {
    check_cuts("channels", [&] {
      const Tensor a = in_blocks(image, block);
      const Tensor b = in_blocks(numbers({3, 24, 37, 41}, "b"), block);
      const Tensor y = cat({a, b, a}, 1);
      return Results{y, clone(y), cat({b, a}, 1)};
    });
  }
}

TEST_CASE("free cuts: indices and masks") {
  const Tensor x = numbers({kRows, kColumns}, "x");
  const Tensor rows = to(abs(numbers({700}, "rows")) * 1e6, kInt64).remainder(kRows);
  const Tensor in_rows = to(abs(numbers({kRows, 700}, "in_rows")) * 1e6, kInt64).remainder(kColumns);
  const Tensor in_columns = to(abs(numbers({700, kColumns}, "in_columns")) * 1e6, kInt64).remainder(kRows);
  check_cuts("index_select",
             [&] { return with_gradient(x, [&](const Tensor& a) { return index_select(a, 0, rows); }); });
  check_cuts("index_select 1",
             [&] { return with_gradient(x, [&](const Tensor& a) { return index_select(a, 1, rows); }); });
  check_cuts("gather 0", [&] { return with_gradient(x, [&](const Tensor& a) { return gather(a, 0, in_columns); }); });
  check_cuts("gather 1", [&] { return with_gradient(x, [&](const Tensor& a) { return gather(a, 1, in_rows); }); });
  check_cuts("embedding", [&] { return with_gradient(x, [&](const Tensor& a) { return embedding(a, rows); }); });
  const Tensor mask = x > 0.1;
  check_cuts("masked_select",
             [&] { return with_gradient(x, [&](const Tensor& a) { return masked_select(a, mask); }); });
  check_cuts("masked_scatter", [&] { return Results{masked_scatter(x, mask, x * 2.0)}; });
}

TEST_CASE("free cuts: pooling and resampling") {
  for (const ScalarType dtype : {kFloat32, kFloat64}) {
    for (const std::int64_t batch : {1, 5}) {
      const Tensor image = numbers({batch, 20, 37, 41}, "image", dtype);
      for (const std::int64_t block : {1, 8, 16}) {
        const Tensor x = block == 1 ? image : in_blocks(image, block);
        const auto check_pool = [&](const char* name, const std::function<Tensor(const Tensor&)>& f) {
          check_cuts(name, [&] { return with_gradient(x, f); });
        };
        check_pool("max 3 by 1", [](const Tensor& a) { return max_pool2d(a, {3, 3}, {1, 1}, {1, 1}); });
        check_pool("max 2 by 2", [](const Tensor& a) { return max_pool2d(a, {2, 2}); });
        check_pool("max 7 by 2", [](const Tensor& a) { return max_pool2d(a, {7, 7}, {2, 2}, {3, 3}); });
        check_pool("average", [](const Tensor& a) { return avg_pool2d(a, {3, 3}, {1, 1}, {1, 1}); });
        check_pool("adaptive", [](const Tensor& a) { return adaptive_avg_pool2d(a, {5, 7}); });
        check_pool("mean", [](const Tensor& a) { return adaptive_avg_pool2d(a, {1, 1}); });
      }
      check_cuts("bilinear", [&] {
        return with_gradient(image, [](const Tensor& a) { return upsample_bilinear2d(a, {90, 55}, false); });
      });
    }
  }
}

TEST_CASE("free cuts: random numbers") {
  const NoGradGuard guard;
  const auto seeded = [](const Run& run) {
    return [run] {
      manual_seed(7);
      return run();
    };
  };
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    const Tensor x = full({kRows, kColumns}, 0.3, dtype);
    check_cuts("uniform", seeded([&] { return Results{rand(x.sizes(), dtype)}; }));
    check_cuts("normal", seeded([&] { return Results{randn(x.sizes(), dtype)}; }));
    check_cuts("bernoulli", seeded([&] { return Results{bernoulli(x), bernoulli(x, 0.7)}; }));
    check_cuts("dropout", seeded([&] { return Results{dropout(x, 0.4, true)}; }));
    check_cuts("feature_dropout", seeded([&] {
                 return Results{feature_dropout(x.view({kRows, kColumns, 1}), 0.4, true)};
               }));
  }
  check_cuts("integers", seeded([&] { return Results{randint(-5, 1000, {kRows, kColumns}), randperm(100003)}; }));
}
