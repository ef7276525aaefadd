// Reductions, scans and sorts: NaN, ties, zeros, nothing at all, and the calls of libtorch's programs.
#include <cmath>
#include <limits>
#include <vector>

#include <backflow/ops/autograd/gradcheck.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;
using autograd::gradcheck;
using autograd::gradgradcheck;
using autograd::variable_list;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Tensor leaf(std::initializer_list<NestedNumbers> numbers) {
  return tensor(numbers, TensorOptions(kFloat64).requires_grad(true));
}

/// The gradient of the sum of f(x).
template <class F>
std::vector<double> gradient(const Tensor& x, const F& f) {
  const Tensor y = x.detach().clone().requires_grad_();
  f(y).sum().backward();
  return array_of(y.grad()).data;
}

std::vector<double> values(const Tensor& x) { return array_of(x).data; }

using Numbers = std::vector<double>;

}  // namespace

TEST_CASE("reductions: every call of libtorch's compiles, and means what it does there") {
  const Tensor x = tensor({{1.0, 2.0}, {3.0, 6.0}});
  CHECK(values(x.sum(1)) == Numbers{3, 9});
  CHECK(values(x.sum({0, 1})) == Numbers{12});
  CHECK(x.sum({0, 1}, true).sizes() == IntArrayRef({1, 1}));
  CHECK(x.sum(kFloat64).scalar_type() == kFloat64);
  CHECK(x.sum(1, true, kFloat64).sizes() == IntArrayRef({2, 1}));
  CHECK(values(x.mean({0, 1}, true)) == Numbers{3});
  CHECK(values(x.mean(0)) == Numbers{2, 4});
  CHECK(values(std::get<0>(x.max(1))) == Numbers{2, 6});
  CHECK(values(x.max()) == Numbers{6});
  CHECK(values(x.argmax()) == Numbers{3});
  CHECK(values(x.argmax(1, true)) == Numbers{1, 1});
  CHECK(values(x.var(1, false)) == Numbers{0.25, 2.25});
  CHECK(values(x.std(1, /*unbiased=*/false)) == Numbers{0.5, 1.5});
  CHECK(values(x.var()) == values(x.var(true)));
  CHECK(values(x.var(std::nullopt, false)) == values(x.var(false)));
  CHECK(values(x.prod(0)) == Numbers{3, 12});
  CHECK(values(x.amax({0, 1})) == Numbers{6});
  CHECK(values(x.norm(1, 0)) == Numbers{4, 8});
  CHECK(values(x.norm(1)) == Numbers{12});
  CHECK(values(x.argsort(1, true)) == Numbers{1, 0, 1, 0});
  CHECK(values(x.argsort(1)) == Numbers{0, 1, 0, 1});
  CHECK(values(std::get<1>(x.sort(true, 1, true))) == Numbers{1, 0, 1, 0});
  CHECK(values(x.cumsum(0, kInt64)) == Numbers{1, 2, 4, 8});
  CHECK(values(x.to(kInt64).mean(kFloat32)) == Numbers{3});
  CHECK(x.to(kInt64).softmax(0, kFloat64).scalar_type() == kFloat64);
  CHECK(x.to(kInt64).log_softmax(0, kFloat32).scalar_type() == kFloat32);
  CHECK(x.to(kInt32).sum().scalar_type() == kInt64);
  CHECK(x.to(kBFloat16).sum().scalar_type() == kBFloat16);
  const auto [largest, at] = x.max(0, true);
  CHECK(largest.sizes() == IntArrayRef({1, 2}));
  CHECK(values(at) == Numbers{1, 1});
}

TEST_CASE("extremes: NaN is beyond all numbers, the first one counts") {
  for (const std::size_t n : {3, 300}) {
    std::vector<float> numbers(n, 1);
    numbers[1] = std::numeric_limits<float>::quiet_NaN();
    numbers[n - 1] = std::numeric_limits<float>::quiet_NaN();
    const Tensor x = tensor(numbers);
    CHECK(std::isnan(x.max().item<double>()));
    CHECK(std::isnan(x.min().item<double>()));
    CHECK(std::isnan(x.amin().item<double>()));
    CHECK(x.argmax().item<std::int64_t>() == 1);
    CHECK(x.argmin().item<std::int64_t>() == 1);
    CHECK(std::get<1>(x.unsqueeze(1).expand({-1, 2}).contiguous().max(0))[1].item<std::int64_t>() == 1);
  }
  CHECK(tensor({1.0, 3.0, 3.0}).argmax().item<std::int64_t>() == 1);
  CHECK(tensor({-kInf, -kInf}).max().item<double>() == -kInf);
  CHECK(tensor({-kInf, -kInf}).argmax().item<std::int64_t>() == 0);
}

TEST_CASE("extremes: the index of a long row, in every dtype") {
  for (const ScalarType dtype : kAllDtypes) {
    CAPTURE(dtype);
    const Tensor x = zeros({200'000}, kFloat32);
    x[150'001] = 1.0;
    x[150'002] = 1.0;
    CHECK(x.to(dtype).argmax().item<std::int64_t>() == 150'001);
    CHECK(x.to(dtype).max().item<double>() == 1);
    CHECK(x.to(dtype).min().item<double>() == 0);
  }
}

TEST_CASE("extremes: gradients over ties") {
  const Tensor x = tensor({{2.0, 5.0, 5.0}, {5.0, 1.0, 1.0}}, kFloat64);
  const double third = 1.0 / 3;
  CHECK(gradient(x, [](const Tensor& v) { return v.max(); }) == Numbers{0, third, third, third, 0, 0});
  CHECK(gradient(x, [](const Tensor& v) { return v.amax(1); }) == Numbers{0, 0.5, 0.5, 1, 0, 0});
  CHECK(gradient(x, [](const Tensor& v) { return v.amin(1); }) == Numbers{1, 0, 0, 0, 0.5, 0.5});
  CHECK(gradient(x, [](const Tensor& v) { return std::get<0>(v.max(1)); }) == Numbers{0, 1, 0, 1, 0, 0});
  CHECK(gradient(tensor({1.0, kNan, kNan}), [](const Tensor& v) { return v.max(); }) == Numbers{0, 0.5, 0.5});
}

TEST_CASE("prod and cumprod: gradients where the input has zeros") {
  for (const Tensor& x : {leaf({2.0, 0.0, 3.0, -1.5}), leaf({2.0, 0.0, 3.0, 0.0}), leaf({0.0, 1.5}), leaf({0.0})}) {
    const variable_list inputs = {x};
    const auto prod_all = [](const variable_list& v) { return variable_list{v[0].prod()}; };
    const auto prod_dim = [](const variable_list& v) { return variable_list{v[0].prod(0)}; };
    const auto cumprod_dim = [](const variable_list& v) { return variable_list{v[0].cumprod(0)}; };
    CHECK(gradcheck(prod_all, inputs));
    CHECK(gradgradcheck(prod_all, inputs));
    CHECK(gradcheck(prod_dim, inputs));
    CHECK(gradcheck(cumprod_dim, inputs));
    CHECK(gradgradcheck(cumprod_dim, inputs));
  }
  CHECK(gradient(tensor({0.0, 0.0}, kFloat64), [](const Tensor& v) { return v.prod(); }) == Numbers{0, 0});
  CHECK(gradient(tensor({0.0, 3.0}, kFloat64), [](const Tensor& v) { return v.prod(); }) == Numbers{3, 0});
  const Tensor scalar = tensor(0.0, TensorOptions(kFloat64).requires_grad(true));
  scalar.cumprod(0).backward();
  CHECK(scalar.grad().item<double>() == 1);
}

TEST_CASE("std, var and norm: where they are zero or of one number") {
  const Tensor equal = full({3}, 2.0, kFloat64);
  CHECK(gradient(equal, [](const Tensor& v) { return v.std(); }) == Numbers{0, 0, 0});
  CHECK(std::isnan(zeros({1}).var().item<double>()));
  CHECK(std::isnan(zeros({0}).var().item<double>()));
  CHECK(zeros({1}).var(false).item<double>() == 0);
  for (const double p : {0.5, 1.0, 1.5, 2.0, 3.0}) {
    CAPTURE(p);
    CHECK(gradient(zeros({2}, kFloat64), [&](const Tensor& v) { return v.norm(p); }) == Numbers{0, 0});
  }
  CHECK(gradient(tensor({0.0, -2.0}, kFloat64), [](const Tensor& v) { return v.norm(1); }) == Numbers{0, -1});
  CHECK(gradient(tensor({2.0, -2.0}, kFloat64), [](const Tensor& v) { return v.norm(kInf); }) == Numbers{0.5, -0.5});
  CHECK(zeros({0}).norm(kInf).item<double>() == 0);
}

TEST_CASE("logsumexp: extreme values") {
  CHECK(tensor({1000.0, 1000.0}).logsumexp(0).item<double>() == Approx(1000 + std::log(2.0)));
  CHECK(tensor({-kInf, -kInf}).logsumexp(0).item<double>() == -kInf);
  CHECK(tensor({kInf, 1.0}).logsumexp(0).item<double>() == kInf);
  CHECK(std::isnan(tensor({kNan, 1.0}).logsumexp(0).item<double>()));
  CHECK(zeros({0, 2}).logsumexp(0)[1].item<double>() == -kInf);
}

TEST_CASE("softmax: extreme values, along both kinds of dimensions") {
  for (const std::int64_t dim : {0, 1}) {
    const auto of = [&](std::vector<float> row) {
      const Tensor x = tensor(row).unsqueeze(1 - dim).expand({dim == 0 ? -1 : 2, dim == 0 ? 2 : -1});
      return values(x.softmax(dim).select(1 - dim, 1));
    };
    CHECK(of({1000, 1000})[1] == 0.5);
    CHECK(of({-1000, 0}) == Numbers{0, 1});
    const auto inf = std::numeric_limits<float>::infinity();
    CHECK(of({-inf, 0}) == Numbers{0, 1});
    CHECK(std::isnan(of({-inf, -inf})[0]));
    CHECK(of({inf, 0}) == Numbers{1, 0});
    CHECK(std::isnan(of({inf, inf})[0]));
    CHECK(std::isnan(of({std::numeric_limits<float>::quiet_NaN(), 0})[1]));
  }
}

TEST_CASE("sort: NaN is last, -0 equals 0, equal ones keep their order; short and long lines") {
  const auto [up, at] = tensor({3.0, kNan, -0.0, 0.0, -kInf, kInf}).sort();
  CHECK(values(at) == Numbers{4, 2, 3, 0, 5, 1});
  CHECK(std::signbit(up[1].item<double>()));
  CHECK(std::isnan(up[5].item<double>()));
  CHECK(values(tensor({3.0, kNan, 3.0}).argsort(0, true)) == Numbers{1, 0, 2});
  for (const ScalarType dtype : kAllDtypes) {
    CAPTURE(dtype);
    const Tensor x = random_tensor({5000}, "x", kFloat32, -50, 50).to(dtype);
    for (const bool descending : {false, true}) {
      const auto [values_, indices] = x.sort(0, descending);
      const Numbers v = values(values_);
      const Numbers i = values(indices);
      const Numbers from = values(x);
      bool in_order = true;
      for (std::size_t k = 0; k < v.size(); ++k) {
        in_order = in_order && v[k] == from[static_cast<std::size_t>(i[k])];
        if (k > 0) {
          in_order = in_order && (descending ? v[k - 1] >= v[k] : v[k - 1] <= v[k]);
          in_order = in_order && (v[k - 1] != v[k] || i[k - 1] < i[k]);
        }
      }
      CHECK(in_order);
      if (dtype != kBool) {
        for (const std::int64_t k : {10, 500, 4000}) {
          CHECK(bitwise_equal(std::get<1>(x.topk(k, 0, descending)), indices.slice(0, 0, k)));
        }
      }
    }
  }
  CHECK(values(std::get<1>(tensor({1.0, kNan, 3.0}).topk(2))) == Numbers{1, 2});
}

TEST_CASE("scans: long lines, both ways, integers that wrap, in place") {
  const Tensor x = ones({3, 10'000}, kInt32);
  CHECK(x.cumsum(1)[2][9'999].item<std::int64_t>() == 10'000);
  CHECK(reverse_cumsum(x, 1)[1][0].item<std::int64_t>() == 10'000);
  CHECK(x.to(kFloat32).cumsum(1)[2][5'000].item<double>() == 5'001);
  const Tensor y = full({2}, std::numeric_limits<std::int64_t>::max());
  CHECK(y.cumsum(0)[1].item<std::int64_t>() == -2);
  CHECK(x.cumsum_(0).scalar_type() == kInt32);
  CHECK(x[2][5].item<std::int64_t>() == 3);
  CHECK(full({40}, 0.5).cumprod(0)[39].item<double>() == std::ldexp(1.0, -40));
}
