#include <backflow/distributed/buckets/power_sgd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/buckets/low_rank_internal.h>
#include <backflow/distributed/data_parallel.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

DataParallelOptions options(std::int64_t rank, BucketLimits limits = {}) {
  return {.limits = limits,
          .names = {"w", "b", "v"},
          .compression = Compression::PowerSgd,
          .power_sgd_rank = rank,
          .power_sgd_seed = 7};
}

/// A matrix, a vector and an image filter.
std::vector<Tensor> parameters(ScalarType dtype = kFloat32) {
  return {parameter({40, 30}, 0, dtype), parameter({40}, 0, dtype), parameter({40, 6, 3, 3}, 0, dtype)};
}

double length_of(const Tensor& x) { return std::sqrt((x * x).sum().item<double>()); }

Tensor gradient(const Tensor& p, std::size_t i, int step, int rank) {
  return random_tensor({p.sizes().begin(), p.sizes().end()}, to_text(i, ",", step, ",", rank), p.scalar_type());
}

/// The sum over the ranks as it is.
Tensor exact(const Tensor& p, std::size_t i, int step) {
  Tensor sum = gradient(p, i, step, 0).clone();
  for (int rank = 1; rank < world()->size(); ++rank) {
    sum += gradient(p, i, step, rank);
  }
  return sum;
}

void reduce(DataParallel& parallel, int step) {
  const NoGradGuard no_grad;
  parallel.zero_grad();
  parallel.begin_backward();
  for (std::size_t i = 0; i < parallel.parameters().size(); ++i) {
    const Tensor& p = parallel.parameters()[i];
    receive_gradient(p, 0);
    p.mutable_grad().copy_(gradient(p, i, step, world()->rank()));
  }
  for (const PassTask& task : parallel.reductions()) {
    run_and_wait(task);
  }
}

std::vector<Tensor> gradients(const DataParallel& parallel) {
  std::vector<Tensor> all;
  for (const Tensor& p : parallel.parameters()) {
    all.push_back(p.grad().detach().clone());
  }
  return all;
}

}  // namespace

TEST_CASE("power sgd: rows become orthogonal, those that depend on others zero", "[power_sgd]") {
  std::vector<double> p = {3, 4, 0, 6, 8, 0, 1, 1, 1, 0, 0, 0};
  orthogonalize(p.data(), 4, 3);
  CHECK(p[0] == Approx(0.6));
  CHECK(p[1] == Approx(0.8));
  CHECK((p[3] == 0 && p[4] == 0 && p[5] == 0));
  CHECK(p[0] * p[6] + p[1] * p[7] + p[2] * p[8] == Approx(0).margin(1e-15));
  CHECK(p[6] * p[6] + p[7] * p[7] + p[8] * p[8] == Approx(1));
  CHECK((p[9] == 0 && p[10] == 0 && p[11] == 0));
}

TEST_CASE("power sgd: products with factors are those of matrices", "[power_sgd]") {
  const std::int64_t rows = 7;
  const std::int64_t cols = 37;
  const Tensor m = random_tensor({rows, cols}, "m", kFloat64);
  const Tensor q = random_tensor({2, cols}, "q", kFloat64);
  const Tensor p = empty_tensor({2, rows}, kFloat64);
  multiply_rows(m.const_data_ptr<double>(), rows, cols, q.const_data_ptr<double>(), 2, p.mutable_data_ptr<double>());
  CHECK((p - matmul(q, m.t())).abs().max().item<double>() < 1e-13);
  const Tensor q2 = empty_tensor({2, cols}, kFloat64);
  multiply_cols(m.const_data_ptr<double>(), rows, cols, p.const_data_ptr<double>(), 2, q2.mutable_data_ptr<double>());
  CHECK((q2 - matmul(p, m)).abs().max().item<double>() < 1e-12);
  const Tensor rest = empty_tensor({rows, cols}, kFloat64);
  subtract_product(rest.mutable_data_ptr<double>(), m.const_data_ptr<double>(), rows, cols, p.const_data_ptr<double>(),
                   q.const_data_ptr<double>(), 2);
  CHECK((rest - (m - matmul(p.t(), q))).abs().max().item<double>() < 1e-13);
}

TEST_CASE("power sgd: what is small is summed as it is, matrices nearly so", "[power_sgd]") {
  for (const ScalarType dtype : {kFloat32, kFloat64}) {
    DataParallel parallel(parameters(dtype), world(), options(4));
    reduce(parallel, 0);
    const auto sums = gradients(parallel);
    CHECK(length_of(sums[1] - exact(sums[1], 1, 0)) < 1e-5);
    if (world()->size() > 1) {
      for (const std::size_t i : {0U, 2U}) {
        const double part = length_of(sums[i] - exact(sums[i], i, 0)) / length_of(exact(sums[i], i, 0));
        CHECK(part < 1);
        CHECK(part > 0.1);
      }
      std::int64_t sent = 0;
      std::int64_t uncompressed = 0;
      for (const BucketTraffic& bucket : parallel.traffic()) {
        sent += bucket.sent;
        uncompressed += bucket.uncompressed;
      }
      CHECK(sent * 3 < uncompressed);
    }
  }
}

TEST_CASE("power sgd: a sum of low rank arrives whole", "[power_sgd]") {
  const Tensor w = parameter({40, 30}, 0, kFloat64);
  DataParallel parallel({w}, world(),
                        {.limits = {}, .names = {}, .compression = Compression::PowerSgd, .power_sgd_rank = 3});
  const NoGradGuard no_grad;
  const Tensor a = random_tensor({40, 2}, "a", kFloat64);
  const Tensor b = random_tensor({2, 30}, "b", kFloat64);
  for (int step = 0; step < 3; ++step) {
    parallel.zero_grad();
    parallel.begin_backward();
    receive_gradient(w, 0);
    w.mutable_grad().copy_(matmul(a, b) * (world()->rank() + 1.0));
    for (const PassTask& task : parallel.reductions()) {
      run_and_wait(task);
    }
    const int n = world()->size();
    CHECK((w.grad() - matmul(a, b) * (0.5 * n * (n + 1))).abs().max().item<double>() < 1e-11);
  }
}

TEST_CASE("power sgd: what is not sent in one step is sent later", "[power_sgd]") {
  if (world()->size() == 1) {
    return;
  }
  // The sum of what arrives follows the sum of what was to be sent: the rest does not grow.
  DataParallel parallel(parameters(kFloat64), world(), options(2));
  Tensor arrived = filled({40, 30}, 0, kFloat64);
  Tensor wanted = filled({40, 30}, 0, kFloat64);
  const NoGradGuard no_grad;
  for (int step = 0; step < 60; ++step) {
    reduce(parallel, step % 3);
    arrived += parallel.parameters()[0].grad();
    wanted += exact(arrived, 0, step % 3);
    const Tensor rest = wanted - arrived;
    Tensor errors = filled({40 * 30}, 0, kFloat64);
    errors += parallel.power_sgd()->find_or_add(0, parallel.parameters()[0])->error;
    world()->all_reduce_sum(errors);
    CHECK((rest.reshape({40 * 30}) - errors).abs().max().item<double>() < 1e-10);
  }
  CHECK(length_of(wanted - arrived) < 0.6 * length_of(wanted));
}

TEST_CASE("power sgd: the same bits on all ranks, in whatever buckets", "[power_sgd]") {
  if (world()->size() == 1) {
    return;
  }
  std::vector<std::vector<Tensor>> results;
  for (const BucketLimits& limits : {BucketLimits{}, BucketLimits{100, 100}}) {
    DataParallel parallel(parameters(), world(), options(3, limits));
    for (int step = 0; step < 4; ++step) {
      reduce(parallel, step);
    }
    results.push_back(gradients(parallel));
    for (const Tensor& sum : results.back()) {
      const Tensor first = sum.clone();
      world()->broadcast(first);
      CHECK(bitwise_equal(first, sum));
    }
  }
  if (world()->size() == 2) {  // sums of two have one order
    CHECK(bitwise_equal(results[0], results[1]));
  }
}

TEST_CASE("power sgd: a matrix without a gradient keeps its errors, and goes on", "[power_sgd]") {
  if (world()->size() == 1) {
    return;
  }
  DataParallel parallel(parameters(), world(), options(2));
  reduce(parallel, 0);
  LowRank* const w = parallel.power_sgd()->find_or_add(0, parallel.parameters()[0]);
  const Tensor error = w->error.clone();
  const Tensor q = w->q.clone();
  parallel.zero_grad();
  parallel.begin_backward();
  receive_gradient(parallel.parameters()[1], 1);
  for (const PassTask& task : parallel.reductions()) {
    run_and_wait(task);
  }
  CHECK_FALSE(parallel.parameters()[0].grad().defined());
  CHECK(all_equal(parallel.parameters()[1].grad(), world()->size()));
  CHECK(bitwise_equal(w->error, error));
  CHECK(bitwise_equal(w->q, q));
  // Gradients of zeros leave no direction dead.
  for (int step = 0; step < 40; ++step) {
    parallel.zero_grad();
    parallel.begin_backward();
    receive_gradient(parallel.parameters()[0], 0);
    for (const PassTask& task : parallel.reductions()) {
      run_and_wait(task);
    }
  }
  reduce(parallel, 1);
  CHECK(length_of(parallel.parameters()[0].grad()) > 0.1);
}

TEST_CASE("power sgd: a run goes on from saved state with the same bits", "[power_sgd]") {
  if (world()->size() == 1) {
    return;
  }
  const std::vector<std::string> names = {"w", "b", "v"};
  DataParallel whole(parameters(), world(), options(2));
  for (int step = 0; step < 3; ++step) {
    reduce(whole, step);
  }
  const auto saved = whole.power_sgd()->save(names, *world());
  // All read what the first rank has written.
  std::vector<std::pair<std::string, Tensor>> read;
  for (const auto& [name, sizes] : {std::pair("w.powersgd_error", std::vector<std::int64_t>{40, 30}),
                                    std::pair("w.powersgd_q", std::vector<std::int64_t>{2, 30}),
                                    std::pair("v.powersgd_error", std::vector<std::int64_t>{40, 54}),
                                    std::pair("v.powersgd_q", std::vector<std::int64_t>{2, 54})}) {
    Tensor x = filled(sizes, 0);
    for (const auto& item : saved) {
      x = item.first == name ? item.second.clone() : x;
    }
    world()->broadcast(x);
    read.emplace_back(name, x);
    CHECK(PowerSgd::is_own(name));
  }
  CHECK(saved.size() == (world()->rank() == 0 ? 4 : 0));
  DataParallel resumed(parameters(), world(), options(2));
  resumed.power_sgd()->load(read, names, resumed.parameters(), world()->rank());
  for (int step = 3; step < 6; ++step) {
    reduce(whole, step);
    reduce(resumed, step);
    CHECK(bitwise_equal(gradients(whole), gradients(resumed)));
  }
  resumed.power_sgd()->load({}, names, resumed.parameters(), world()->rank());
  CHECK(all_equal(resumed.power_sgd()->find_or_add(0, resumed.parameters()[0])->error, 0));
}

TEST_CASE("power sgd: the perceptron of the example sends a fortieth of the bytes", "[power_sgd]") {
  if (world()->size() == 1) {
    return;
  }
  const std::vector<Tensor> model = {parameter({512, 784}), parameter({512}),     parameter({512, 512}),
                                     parameter({512}),      parameter({10, 512}), parameter({10})};
  const DataParallel parallel(model, world(), {.limits = {}, .names = {}, .compression = Compression::PowerSgd});
  std::int64_t sent = 0;
  std::int64_t uncompressed = 0;
  for (const BucketTraffic& bucket : parallel.traffic()) {
    sent += bucket.sent;
    uncompressed += bucket.uncompressed;
  }
  CHECK(sent * 40 < uncompressed);
}

TEST_CASE("power sgd: what it can't do is an Error", "[power_sgd]") {
  CHECK_THROWS_WITH(DataParallel(parameters(), world(), options(0)), ContainsSubstring("power_sgd_rank 0"));
  DataParallelOptions sharded = options(2);
  sharded.optimizer_state = OptimizerState::Sharded;
  CHECK_THROWS_WITH(DataParallel(parameters(), world(), sharded), ContainsSubstring("with a sharded optimizer"));
}
