// Tensors of many dimensions, up to kMaxDims: shapes, strides that do not merge, reductions, broadcasting, products,
// joining and gradients are those of the same elements in few dimensions.
#include <algorithm>
#include <numeric>
#include <sstream>
#include <utility>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/comparison.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr std::size_t kDims = 12;

std::vector<std::int64_t> twos(std::size_t dims) { return std::vector<std::int64_t>(dims, 2); }

/// An order of kDims dimensions in which no two neighbours were neighbours before: strides that do not merge.
std::vector<std::int64_t> scattered() { return {5, 0, 7, 2, 9, 4, 11, 6, 1, 8, 3, 10}; }

Tensor counted() { return arange(4096, kFloat32).reshape(twos(kDims)); }

/// Where element `linear` of the permuted tensor lies in the row-major one.
std::int64_t place_of(std::int64_t linear, const std::vector<std::int64_t>& order) {
  std::int64_t place = 0;
  for (std::size_t d = order.size(); d-- > 0; linear /= 2) {
    place += (linear % 2) << (static_cast<std::int64_t>(order.size()) - 1 - order[d]);
  }
  return place;
}

}  // namespace

TEST_CASE("many dimensions: nested lists, sizes, strides and printing") {
  const Tensor x = tensor({{{{{{{{{{1.F, 2.F}, {3.F, 4.F}}}}}}}}}});
  CHECK(x.sizes() == IntArrayRef({1, 1, 1, 1, 1, 1, 1, 1, 2, 2}));
  CHECK(x.strides() == IntArrayRef({4, 4, 4, 4, 4, 4, 4, 4, 2, 1}));
  CHECK(x.squeeze().equal(tensor({{1.F, 2.F}, {3.F, 4.F}})));
  std::ostringstream text;
  text << x;
  CHECK(text.str() == "tensor([[[[[[[[[[1., 2.],\n                [3., 4.]]]]]]]]]])");
  CHECK(ones(std::vector<std::int64_t>(kMaxDims, 1)).item<float>() == 1);
}

TEST_CASE("many dimensions: strides that do not merge are walked element by element") {
  const Tensor x = counted().permute(scattered());
  REQUIRE_FALSE(x.is_contiguous());
  const Tensor flat = x.flatten();
  const Tensor scaled = (x * 2 + x.exp() * 0).flatten();
  for (std::int64_t i = 0; i < flat.numel(); ++i) {
    const auto wanted = static_cast<float>(place_of(i, scattered()));
    REQUIRE(flat[i].item<float>() == wanted);
    REQUIRE((scaled[i].item<float>() == 2 * wanted || wanted > 80));  // e^x is infinite there
  }
  Tensor y = zeros(twos(kDims));
  y.copy_(x);
  CHECK(y.equal(x));
  y.permute(scattered()).fill_(3);
  CHECK(y.equal(full(twos(kDims), 3)));
}

TEST_CASE("many dimensions: reductions over scattered dimensions are those of the same matrix") {
  const std::vector<std::int64_t> kept{0, 2, 4, 6, 8, 10};
  const std::vector<std::int64_t> reduced{1, 3, 5, 7, 9, 11};
  const Tensor x = random_tensor(twos(kDims), "x");
  std::vector<std::int64_t> order(kept);
  order.insert(order.end(), reduced.begin(), reduced.end());
  const Tensor matrix = x.permute(order).reshape({64, 64});
  const auto check_same = [](const Tensor& a, const Tensor& b) {
    CHECK(allclose(a.flatten(), b.flatten(), 1e-5, 1e-6));
  };
  check_same(x.sum(reduced), matrix.sum(1));
  check_same(x.mean(reduced), matrix.mean(1));
  check_same(x.amax(reduced), matrix.amax(1));
  check_same(x.std(reduced), matrix.std(1));
  check_same(norm(x, 2, reduced), norm(matrix, 2, {1}));
  check_same(x.sum(), matrix.sum());
  check_same(softmax(x, 7).sum(7), ones(twos(kDims - 1)));
  CHECK(x.cumsum(3).select(3, 1).equal(x.sum(3)));
  CHECK(std::get<1>(x.max(5)).equal(x.argmax(5)));
}

TEST_CASE("many dimensions: broadcasting, joining, indexing and products") {
  const Tensor x = counted();
  std::vector<std::int64_t> row(kDims, 1);
  row[4] = 2;
  const Tensor sum = x + tensor({10.F, 20.F}).reshape(row);
  CHECK(sum.select(4, 1).equal(x.select(4, 1) + 20));
  CHECK(cat({x, x + 1}, 8).narrow(8, 2, 2).equal(x + 1));
  CHECK(stack({x, x + 1}, 9).select(9, 1).equal(x + 1));
  CHECK(x.index_select(3, tensor({1, 0})).equal(x.flip({3})));
  CHECK(x.roll({1}, {10}).equal(x.flip({10})));
  CHECK(x.gather(6, zeros(twos(kDims), kInt64)).select(6, 1).equal(x.select(6, 0)));
  CHECK(x.unfold(2, 1, 1).sizes().size() == kDims + 1);
  std::vector<std::int64_t> repeats(kDims, 1);
  repeats[0] = 3;
  CHECK(x.repeat(repeats).narrow(0, 4, 2).equal(x));
  const Tensor a = random_tensor(twos(kDims), "a");
  const Tensor b = random_tensor(twos(kDims), "b");
  const Tensor batches = bmm(a.reshape({1024, 2, 2}), b.reshape({1024, 2, 2}));
  CHECK(allclose(matmul(a, b).reshape({1024, 2, 2}), batches));
  CHECK(allclose(einsum("abcdefghijkl,abcdefghijlm->abcdefghijkm", {a, b}), matmul(a, b)));
  CHECK(allclose(einsum("...kl,...lm->...km", {a, b}), matmul(a, b)));
}

TEST_CASE("many dimensions: gradients") {
  const Tensor x = random_tensor(twos(kDims), "x").set_requires_grad(true);
  const Tensor flat = x.detach().clone().permute(scattered()).reshape({64, 64}).set_requires_grad(true);
  const auto loss = [](const Tensor& of) { return (of.tanh() * of).sum() + of.exp().sum() / of.abs().amax(); };
  loss(x.permute(scattered()).reshape({64, 64})).backward();
  loss(flat).backward();
  CHECK(x.grad().sizes() == x.sizes());
  CHECK(x.grad().permute(scattered()).reshape({64, 64}).equal(flat.grad()));
}
