// Sums and softmax: accuracy, determinism, extreme values.
#include <cmath>
#include <limits>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/philox.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Ones plus noise in [-0.5, 0.5), float32, and their exact sum over all elements.
Tensor noisy_ones(std::vector<std::int64_t> sizes) {
  Array values = random_array(std::move(sizes), "noise", 0.5, 1.5);
  return tensor_of(values, kFloat32);
}

double exact_sum(const Tensor& x) {
  double total = 0;
  for (const double v : array_of(x).data) {
    total += v;
  }
  return total;
}

}  // namespace

TEST_CASE("sum: a million float32 numbers to 1e-6") {
  const Tensor x = noisy_ones({1'000'000});
  CHECK(std::abs(x.sum().item<double>() / exact_sum(x) - 1) < 1e-6);
  const Tensor column = x.reshape({500'000, 2});
  const Array sums = array_of(column.sum(0));
  CHECK(std::abs((sums.data[0] + sums.data[1]) / exact_sum(x) - 1) < 1e-6);
  const Tensor rows = x.reshape({2, 500'000});
  const Array row_sums = array_of(rows.sum(1));
  CHECK(std::abs((row_sums.data[0] + row_sums.data[1]) / exact_sum(x) - 1) < 1e-6);
}

TEST_CASE("sum, mean and var: 16 million float32 numbers to 1e-6, the same bits on 1, 2, 4, 8 threads") {
  constexpr std::int64_t kCount = 16 * 1024 * 1024;
  const Tensor x = empty({kCount});
  double total = 0;
  double squares = 0;  // of the noise, whose mean is near zero
  PhiloxStream random(7);
  for (std::int64_t i = 0; i < kCount; ++i) {
    const auto v = static_cast<float>(0.5 + random.uniform());
    x.data_ptr<float>()[i] = v;
    total += static_cast<double>(v);
    squares += (static_cast<double>(v) - 1) * (static_cast<double>(v) - 1);
  }
  const double mean = total / kCount;
  const double variance = squares / kCount - (mean - 1) * (mean - 1);
  const Tensor cube = x.reshape({256, 256, 256});
  const int before = get_num_threads();
  std::vector<std::vector<Tensor>> results;
  for (const int n : {1, 2, 4, 8}) {
    set_num_threads(n);
    results.push_back({x.sum(), x.mean(), x.var(false), cube.sum(0), cube.sum(1), cube.sum(2), cube.mean(0),
                       cube.mean(2), cube.var({0}, true), cube.var({1}, true), cube.var({2}, true), cube.sum({0, 2}),
                       cube.transpose(0, 2).sum(0), x.reshape({kCount / 2, 2}).sum(0)});
    CAPTURE(n);
    CHECK(bitwise_equal(results.back(), results.front()));
  }
  set_num_threads(before);
  const std::vector<Tensor>& found = results.front();
  CHECK(std::abs(found[0].item<double>() / total - 1) < 1e-6);
  CHECK(std::abs(found[1].item<double>() / mean - 1) < 1e-6);
  CHECK(std::abs(found[2].item<double>() / variance - 1) < 1e-6);
  for (const std::size_t of_dims : {3, 4, 5, 11, 12, 13}) {
    CHECK(std::abs(exact_sum(found[of_dims]) / total - 1) < 1e-6);
  }
}

TEST_CASE("var: numbers far from zero lose nothing to cancellation") {
  const Tensor x = noisy_ones({1000, 70}).to(kFloat64);
  const Tensor far = (x + 1e4).to(kFloat32);
  for (const std::int64_t dim : {0, 1}) {
    const Array expected = array_of(far.to(kFloat64).var({dim}, true));
    CHECK(distance(array_of(far.var({dim}, true)), expected) < 1e-6);
  }
  CHECK(distance(array_of(far.var()), array_of(far.to(kFloat64).var())) < 1e-6);
  CHECK(full({1000}, 0.1F).var().item<double>() == 0);
}

TEST_CASE("scans, softmax, sort and maxima: the same bits on 1, 2, 4, 8 threads") {
  const int before = get_num_threads();
  const Tensor x = noisy_ones({300, 70, 50});
  std::vector<std::vector<Tensor>> results;
  for (const int n : {1, 2, 4, 8}) {
    set_num_threads(n);
    results.push_back({x.cumsum(0), x.cumsum(1), x.cumsum(2), x.reshape({-1}).cumsum(0), x.cumprod(0), x.softmax(0),
                       x.softmax(1), x.softmax(2), x.logsumexp({0, 2}), x.norm(), x.norm(3, 1), x.prod(1), x.std(),
                       x.amax({0, 2}), x.argmax(), x.argmax(0), std::get<0>(x.sort(0)), std::get<1>(x.topk(3, 1))});
    CAPTURE(n);
    CHECK(bitwise_equal(results.back(), results.front()));
  }
  set_num_threads(before);
}

TEST_CASE("sum: many equal numbers in one column to 1e-6") {
  const Tensor x = full({2'000'000, 2}, 0.1F);
  const double expected = 2e6 * static_cast<double>(0.1F);
  CHECK(std::abs(x.sum(0)[0].item<double>() / expected - 1) < 1e-6);
}

TEST_CASE("sum: the same bits on 1, 2, 4, 8 threads") {
  const int before = get_num_threads();
  const Tensor x = noisy_ones({300, 70, 50});
  std::vector<std::vector<Tensor>> results;
  for (const int n : {1, 2, 4, 8}) {
    set_num_threads(n);
    results.push_back({x.sum(), x.sum(0), x.sum(1), x.sum(2), x.sum({0, 2}), x.sum({1, 2}), x.mean(),
                       x.transpose(0, 2).sum({0, 2}), x.sum_to_size({70, 1}), log_softmax(x, 0), log_softmax(x, 2)});
    CAPTURE(n);
    CHECK(bitwise_equal(results.back(), results.front()));
  }
  set_num_threads(before);
  CHECK(std::abs(x.sum({0, 2}).sum().item<double>() / exact_sum(x) - 1) < 1e-6);
}

TEST_CASE("sum: the mean of nothing is NaN, the sum of nothing zero") {
  CHECK(zeros({0, 3}).sum().item<float>() == 0);
  CHECK(std::isnan(zeros({0, 3}).mean().item<float>()));
  CHECK(bitwise_equal(zeros({0, 3}).sum(0), zeros({3})));
}

TEST_CASE("log_softmax: extreme values") {
  const auto rows = [](std::vector<float> row) { return array_of(log_softmax(tensor(row), 0)).data; };
  CHECK(rows({1000, 1000, 1000})[0] == Approx(-std::log(3.0)));
  CHECK(rows({-1000, 0, 1000}) == std::vector<double>{-2000, -1000, 0});
  CHECK(rows({3e38F, -3e38F})[0] == 0);
  CHECK(rows({kInf, 0, 1}) == std::vector<double>{0, -kInf, -kInf});
  CHECK(rows({-kInf, 0, 0})[0] == -kInf);
  CHECK(rows({-kInf, 0, 0})[1] == Approx(-std::log(2.0)));
  for (const std::vector<float>& row :
       std::vector<std::vector<float>>{{kNan, 1, 2}, {1, kNan, 2}, {1, 2, kNan}, {-kInf, -kInf}, {kInf, kInf}}) {
    for (const double y : rows(row)) {
      CHECK(std::isnan(y));
    }
  }
}

TEST_CASE("log_softmax: long rows are accurate and sum to one") {
  const Tensor x = random_tensor({3, 10'001}, "scores", kFloat32, -10, 10);
  const Tensor y = log_softmax(x, 1);
  const Array total = array_of(exp(y.to(kFloat64)).sum(1));
  for (const double t : total.data) {
    CHECK(t == Approx(1).epsilon(1e-5));
  }
}
