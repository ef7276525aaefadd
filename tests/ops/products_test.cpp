// What the samples of matrix products do not show: nodes, aliases, NaN, sizes that are cut for threads, roundings.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

struct Shape {
  std::int64_t m, k, n;
};

// Odd sizes, one and several blocks of terms, vectors, few rows, more rows than are packed at a time.
const std::vector<Shape> kShapes = {{2, 3, 2},      {8, 384, 32},   {9, 385, 33},    {15, 767, 65},  {16, 769, 31},
                                    {33, 800, 97},  {3, 500, 200},  {4, 500, 200},   {200, 500, 3},  {1, 700, 333},
                                    {333, 700, 1},  {1, 5, 129},    {1, 200, 2049},  {130, 10, 600}, {600, 20, 550},
                                    {128, 784, 70}, {70, 784, 128}, {70, 1500, 128}, {8, 64, 1000},  {1000, 64, 8}};

struct Operands {
  Tensor x;
  Tensor w;
  Tensor added;
};

Operands operands(const Shape& s, ScalarType dtype, Layout left, Layout right) {
  const auto matrix = [&](std::int64_t rows, std::int64_t columns, const char* key, Layout layout) {
    return tensor_of(random_array({rows, columns}, key), kFloat32, layout).mul(4).to(dtype);
  };
  return {matrix(s.m, s.k, "x", left), matrix(s.k, s.n, "w", right), matrix(s.m, s.n, "added", Layout::Transposed)};
}

std::vector<Tensor> products_of(const Shape& s, const Operands& o) {
  std::vector<Tensor> results = {mm(o.x, o.w), addmm(o.added, o.x, o.w, 2, 3),
                                 bmm(o.x.expand({3, s.m, s.k}), o.w.expand({3, s.k, s.n}))};
  if (s.n == 1) {
    results.push_back(mv(o.x, o.w.select(1, 0)));
  }
  return results;
}

}  // namespace

TEST_CASE("products: nodes have PyTorch's names") {
  const Tensor a = random_tensor({3, 3}, "a").set_requires_grad(true);
  const Tensor b = random_tensor({2, 3, 3}, "b").set_requires_grad(true);
  const Tensor v = random_tensor({3}, "v").set_requires_grad(true);
  const auto name = [](const Tensor& y) { return y.grad_fn()->name(); };
  CHECK(name(mm(a, a)) == "MmBackward0");
  CHECK(name(matmul(a, a)) == "MmBackward0");
  CHECK(name(matmul(a, v)) == "MvBackward0");
  CHECK(name(matmul(v, v)) == "DotBackward0");
  CHECK(name(matmul(b, b)) == "BmmBackward0");
  CHECK(name(bmm(b, b)) == "BmmBackward0");
  CHECK(name(vdot(v, v)) == "VdotBackward0");
  CHECK(name(outer(v, v)) == "MulBackward0");
  CHECK(name(addmm(a, a, a)) == "AddmmBackward0");
  CHECK(name(addmv(v, a, v)) == "AddmvBackward0");
  CHECK(name(addbmm(a, b, b)) == "AddbmmBackward0");
  CHECK(name(baddbmm(b, b, b)) == "BaddbmmBackward0");
}

TEST_CASE("products: in place on an operand of its own") {
  const NoGradGuard guard;
  const Tensor x = random_tensor({3, 3}, "x");
  const Tensor expected = addmm(x, x, x);
  x.addmm_(x, x.t().t());
  CHECK(bitwise_equal(x, expected));
  const Tensor y = random_tensor({2, 3, 3}, "y");
  const Tensor sum = baddbmm(y, y, y);
  y.baddbmm_(y, y);
  CHECK(bitwise_equal(y, sum));
}

TEST_CASE("products: what is multiplied by beta 0 does not count, and NaN goes through otherwise") {
  const Tensor nan = full({2, 2}, std::numeric_limits<double>::quiet_NaN());
  const Tensor one = ones({2, 2});
  CHECK(bitwise_equal(addmm(nan, one, one, 0), full({2, 2}, 2.0)));
  CHECK(bitwise_equal(nan.clone().addmm_(one, one, 0), full({2, 2}, 2.0)));
  CHECK(std::isnan(array_of(addmm(nan, one, one)).data[0]));
  CHECK(std::isnan(array_of(mm(nan, zeros({2, 2}))).data[0]));
}

TEST_CASE("products: batches and long vectors, their values and their bits on 1, 2, 8 threads") {
  const int threads = get_num_threads();
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16, kInt64}) {
    const Tensor a = random_tensor({7, 150, 1, 70}, "a", kFloat64, -3, 3).to(dtype).expand({7, 150, 20, 70});
    const Tensor b = random_tensor({150, 30, 70}, "b", kFloat64, -3, 3).to(dtype).transpose(1, 2);
    const Tensor x = random_tensor({300001}, "x", kFloat64, -3, 3).to(dtype);
    std::vector<std::vector<Tensor>> results;
    for (const int n : {1, 2, 8}) {
      set_num_threads(n);
      results.push_back({matmul(a, b), dot(x, x), mv(b[0].t(), a[0][0][0]), matmul(x, x.reshape({-1, 1}))});
    }
    CAPTURE(dtype);
    CHECK(bitwise_equal(results[1], results[0]));
    CHECK(bitwise_equal(results[2], results[0]));
    const Tensor slow = (a[3][77][5].to(kFloat64).unsqueeze(1) * b[77].to(kFloat64)).sum(0);
    const double scale = dtype == kBFloat16 ? 0.005 : 1e-6;
    CHECK(distance(array_of(results[0][0][3][77][5]), array_of(slow)) <= scale * 40);
    const Array exact = array_of((x.to(kFloat64) * x.to(kFloat64)).sum());
    CHECK(std::abs(array_of(results[0][1]).data[0] / exact.data[0] - 1) <= scale);
  }
  set_num_threads(threads);
}

TEST_CASE("products: bfloat16 is rounded once") {
  const Tensor x = random_tensor({5, 70}, "x").to(kBFloat16);
  const Tensor w = random_tensor({70, 6}, "w").to(kBFloat16);
  const Tensor c = random_tensor({5, 6}, "c").to(kBFloat16);
  const auto wide = [](const Tensor& t) { return t.to(kFloat32); };
  CHECK(bitwise_equal(mm(x, w), mm(wide(x), wide(w)).to(kBFloat16)));
  CHECK(bitwise_equal(addmm(c, x, w, 2, 3), addmm(wide(c), wide(x), wide(w), 2, 3).to(kBFloat16)));
}

TEST_CASE("products: bits do not depend on the cut") {
  const NoGradGuard guard;
  for (const Shape& s : kShapes) {
    for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16, kInt64}) {
      if (dtype != kFloat32 && dtype != kFloat64 && s.m * s.n * s.k > 400000) {
        continue;  // slow, and cut in the same way
      }
      for (const Layout left : {Layout::Contiguous, Layout::Transposed, Layout::Strided}) {
        for (const Layout right : {Layout::Contiguous, Layout::Transposed}) {
          const Operands o = operands(s, dtype, left, right);
          std::vector<Tensor> whole;
          for (const std::int64_t pieces : {1, 2, 3, 7, 64}) {
            const ForcedPieces forced(pieces);
            const std::vector<Tensor> results = products_of(s, o);
            whole = whole.empty() ? results : whole;
            CAPTURE(s.m, s.k, s.n, dtype, name(left), name(right), pieces);
            for (std::size_t i = 0; i < results.size(); ++i) {
              REQUIRE(bitwise_equal(results[i], whole[i]));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("products: an element does not depend on the sizes of the matrices, nor on how they lie") {
  const NoGradGuard guard;
  for (const ScalarType dtype : {kFloat32, kFloat64}) {
    for (const std::int64_t k : {7, 384, 385, 1000}) {
      const Tensor x = random_tensor({75, k}, "x", dtype);
      const Tensor w = random_tensor({k, 90}, "w", dtype);
      const Tensor y = mm(x, w);
      const Tensor x_columns = x.t().clone().t();
      const Tensor w_columns = w.t().clone().t();
      CAPTURE(dtype, k);
      for (const std::int64_t rows : {4, 5, 8, 13, 32, 40, 75}) {
        for (const std::int64_t columns : {2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 90}) {
          const Tensor part = y.narrow(0, 75 - rows, rows).narrow(1, 90 - columns, columns);
          const auto same = [&](const Tensor& a, const Tensor& b) {
            return bitwise_equal(mm(a.narrow(0, 75 - rows, rows), b.narrow(1, 90 - columns, columns)), part);
          };
          CAPTURE(rows, columns);
          REQUIRE(same(x, w));
          REQUIRE(same(x, w_columns));
          REQUIRE(same(x_columns, w));
          REQUIRE(same(x_columns, w_columns));
        }
      }
    }
  }
}

TEST_CASE("products: a long product of two vectors, its bits for any cut") {
  const Tensor x = random_tensor({300001}, "x");
  const Tensor whole = dot(x, x);
  for (const std::int64_t pieces : {2, 7, 64}) {
    const ForcedPieces forced(pieces);
    CHECK(bitwise_equal(dot(x, x), whole));
  }
}
