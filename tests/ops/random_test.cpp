// Distributions of the random operators, their dtypes, and that threads do not matter.
#include <algorithm>
#include <cmath>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

double mean_of(const Tensor& x) { return x.to(kFloat64).mean().item<double>(); }

}  // namespace

TEST_CASE("random: what is drawn does not depend on the number of threads") {
  const int threads = get_num_threads();
  const auto draw = [] {
    manual_seed(7);
    return std::vector<Tensor>{randperm(50001),        bernoulli(full({3, 20001}, 0.3)), zeros(50001).bernoulli_(0.7),
                               rand(50001, kBFloat16), randn(50001, kBFloat16),          randint(2, 50001, kBool)};
  };
  const std::vector<Tensor> expected = draw();
  for (const int n : {1, 2, 8}) {
    set_num_threads(n);
    CHECK(bitwise_equal(draw(), expected));
  }
  set_num_threads(threads);
}

TEST_CASE("random: randperm is a permutation, every one as probable") {
  manual_seed(1);
  Array sorted = array_of(randperm(1000));
  std::sort(sorted.data.begin(), sorted.data.end());
  CHECK(bitwise_equal(tensor_of(sorted, kInt64), arange(1000)));
  std::vector<int> count(6);
  for (int i = 0; i < 6000; ++i) {
    const Array p = array_of(randperm(3));
    ++count[static_cast<std::size_t>(2 * p.data[0] + (p.data[1] > p.data[2] ? 1 : 0))];
  }
  for (const int n : count) {
    CHECK(std::abs(n - 1000) < 130);  // more than four standard deviations
  }
}

TEST_CASE("random: bernoulli has its probabilities") {
  manual_seed(2);
  CHECK(mean_of(zeros(100000).bernoulli_(0.3)) == Approx(0.3).margin(0.006));
  CHECK(mean_of(zeros(100000, kBool).bernoulli_()) == Approx(0.5).margin(0.007));
  CHECK(mean_of(bernoulli(full(100000, 0.9, kBFloat16))) == Approx(0.9).margin(0.006));
  CHECK(mean_of(bernoulli(zeros({100, 1000}, kInt64).t(), 0.2)) == Approx(0.2).margin(0.006));
}

TEST_CASE("random: bfloat16 stays in its bounds") {
  manual_seed(3);
  const Tensor u = rand(200000, kBFloat16);
  const Array values = array_of(u);
  CHECK(*std::max_element(values.data.begin(), values.data.end()) < 1);
  CHECK(*std::min_element(values.data.begin(), values.data.end()) >= 0);
  CHECK(mean_of(u) == Approx(0.5).margin(0.005));
  const Tensor z = randn(200000, kBFloat16);
  CHECK(mean_of(z) == Approx(0).margin(0.012));
  CHECK(mean_of(mul(z, z)) == Approx(1).margin(0.02));
}
