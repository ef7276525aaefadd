#include <backflow/distributed/data_parallel.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <backflow/distributed/null_communicator.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

/// A bucket for every parameter of 100 floats.
DataParallelOptions small_buckets() {
  DataParallelOptions options;
  options.limits = {400, 400};
  return options;
}

std::vector<Tensor> several_parameters(std::size_t n, double value = 0) {
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < n; ++i) {
    out.push_back(parameter({100}, value));
  }
  return out;
}

/// What backward does with its tasks: all at once, from several threads, in an order of this rank's own.
void run_shuffled(const std::vector<PassTask>& tasks, unsigned seed) {
  std::vector<std::size_t> order(tasks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  std::vector<std::thread> threads;
  for (const std::size_t i : order) {
    threads.emplace_back([&tasks, i] { run_and_wait(tasks[i]); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

/// A sum over the ranks of something that depends on the rank.
template <class F>
double sum_over_ranks(F&& f) {
  double sum = 0;
  for (int rank = 0; rank < world()->size(); ++rank) {
    sum += f(rank);
  }
  return sum;
}

void complete_all(FakeCommunicator& fake) {
  for (auto& reduction : std::exchange(fake.reductions, {})) {
    reduction.done(nullptr);
  }
}

}  // namespace

TEST_CASE("data parallel: parameters start with the values of rank 0", "[data_parallel]") {
  const auto ours = world();
  const Tensor transposed = view_of(filled({2, 3}, ours->rank()), {3, 2}, {1, 3}, 0);
  const std::vector<Tensor> parameters = {parameter({3}, ours->rank()), filled({2}, ours->rank(), kInt64),
                                          parameter({0}), transposed};
  const DataParallel parallel(parameters, ours);
  CHECK(all_equal(parameters[0], 0));
  CHECK(all_equal(parameters[1], 0));
  CHECK(all_equal(view_of(transposed, {6}, {1}, 0), 0));
}

TEST_CASE("data parallel: gradients are sums over the ranks, whatever order they become ready in", "[data_parallel]") {
  const auto ours = world();
  const auto parameters = several_parameters(12);
  DataParallel parallel(parameters, ours, small_buckets());
  const auto tasks = parallel.reductions();
  for (unsigned step = 0; step < 20; ++step) {
    parallel.zero_grad();
    parallel.begin_backward();
    const auto value = [&](int rank, std::size_t i) { return static_cast<double>(rank + 1 + 10 * (i + step)); };
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      receive_gradient(parameters[i], value(ours->rank(), i));
    }
    run_shuffled(tasks, 100 * step + static_cast<unsigned>(ours->rank()));
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      CHECK(all_equal(parameters[i].grad(), sum_over_ranks([&](int rank) { return value(rank, i); })));
    }
  }
}

TEST_CASE("data parallel: buckets start in their order", "[data_parallel]") {
  FakeCommunicator fake(0, 2);
  const std::shared_ptr<Communicator> shared(&fake, [](Communicator*) {});
  DataParallel parallel(several_parameters(5), shared, small_buckets());
  const auto tasks = parallel.reductions();
  parallel.begin_backward();
  REQUIRE(tasks.size() == 5);
  std::vector<std::size_t> done;
  for (const std::size_t i : {2U, 0U, 4U, 1U, 3U}) {
    tasks[i].start([&, i](const std::exception_ptr&) { done.push_back(i); });
    if (i == 2) {
      CHECK(fake.reductions.size() == 3);  // the leaves of the first three were complete
    }
  }
  REQUIRE(fake.reductions.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(fake.reductions[i].buffer.data == parallel.buckets()[BucketIndex(i)].flat().data_ptr());
    CHECK((i == 0 || fake.reductions[i].tag > fake.reductions[i - 1].tag));
  }
  complete_all(fake);
  CHECK(done == std::vector<std::size_t>{0, 1, 2, 3, 4});
}

TEST_CASE("data parallel: a task waits for the leaves of all buckets before its own", "[data_parallel]") {
  FakeCommunicator fake(0, 2);
  const std::shared_ptr<Communicator> shared(&fake, [](Communicator*) {});
  const auto parameters = several_parameters(3);
  const DataParallel parallel(parameters, shared, small_buckets());
  const auto tasks = parallel.reductions();
  REQUIRE(tasks.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(tasks[i].leaves.size() == i + 1);
    CHECK(tasks[i].leaves.back().is_same(parameters[2 - i]));
  }
}

TEST_CASE("data parallel: a backward that fails half way leaves nothing waiting", "[data_parallel]") {
  FakeCommunicator fake(0, 2);
  const std::shared_ptr<Communicator> shared(&fake, [](Communicator*) {});
  std::vector<std::size_t> done;
  {
    DataParallel parallel(several_parameters(4), shared, small_buckets());
    const auto tasks = parallel.reductions();
    parallel.begin_backward();
    tasks[1].start([&](const std::exception_ptr&) { done.push_back(1); });
    CHECK_THROWS_WITH(parallel.begin_backward(), ContainsSubstring("under way"));
    complete_all(fake);
    CHECK(done == std::vector<std::size_t>{1});
    parallel.begin_backward();
    tasks[0].start([&](const std::exception_ptr&) { done.push_back(0); });
  }
  complete_all(fake);  // after the DataParallel is gone
  CHECK(done == std::vector<std::size_t>{1, 0});
}

TEST_CASE("data parallel: an error of the reduction reaches the task", "[data_parallel]") {
  FakeCommunicator fake(0, 2);
  const std::shared_ptr<Communicator> shared(&fake, [](Communicator*) {});
  const auto parameters = several_parameters(2);
  DataParallel parallel(parameters, shared, small_buckets());
  const auto tasks = parallel.reductions();
  parallel.begin_backward();
  std::exception_ptr late;
  std::exception_ptr early;
  tasks[1].start([&](const std::exception_ptr& error) { late = error; });
  fake.reductions[0].done(std::make_exception_ptr(Error("lost")));
  tasks[0].start([&](const std::exception_ptr& error) { early = error; });
  CHECK_THROWS_WITH(std::rethrow_exception(early), Equals("lost"));
  fake.reductions[1].done(nullptr);
  CHECK(late == nullptr);

  fake.reductions.clear();
  parallel.begin_backward();
  parameters[1].mutable_grad() = filled({7}, 0);
  std::exception_ptr wrong;
  tasks[0].start([&](const std::exception_ptr& error) { wrong = error; });
  CHECK_THROWS_WITH(std::rethrow_exception(wrong), ContainsSubstring("gradient f32[7]"));
  CHECK(fake.reductions.empty());
}

TEST_CASE("data parallel: a parameter that took part on some ranks, or on none", "[data_parallel]") {
  const auto ours = world();
  const auto parameters = several_parameters(3);
  DataParallel parallel(parameters, ours);
  // A first step fills the bucket; nothing of it may show in the second.
  parallel.begin_backward();
  for (const Tensor& x : parameters) {
    receive_gradient(x, 1000);
  }
  parallel.reduce_now();
  parallel.zero_grad();

  parallel.begin_backward();
  receive_gradient(parameters[0], 1);
  if (ours->rank() == ours->size() - 1) {
    receive_gradient(parameters[1], 5);
  }
  run_shuffled(parallel.reductions(), 1);
  CHECK(all_equal(parameters[0].grad(), ours->size()));
  CHECK(all_equal(parameters[1].grad(), 5));
  CHECK_FALSE(parameters[2].grad().defined());
}

TEST_CASE("data parallel: several backwards for one step", "[data_parallel]") {
  const auto ours = world();
  const auto parameters = several_parameters(4);
  DataParallel parallel(parameters, ours, small_buckets());
  for (int step = 0; step < 3; ++step) {
    parallel.zero_grad();
    for (int micro = 0; micro < 3; ++micro) {
      const bool is_last = micro == 2;
      parallel.begin_backward(is_last ? GradientSync::Now : GradientSync::Later);
      for (const Tensor& x : parameters) {
        receive_gradient(x, ours->rank() + micro);
      }
    }
    run_shuffled(parallel.reductions(), 5);
    for (const Tensor& x : parameters) {
      CHECK(all_equal(x.grad(), sum_over_ranks([](int rank) { return 3 * rank + 3; })));
    }
  }
}

TEST_CASE("data parallel: gradients that are not cleared accumulate as on one rank", "[data_parallel]") {
  const auto ours = world();
  const auto parameters = several_parameters(4);
  DataParallel parallel(parameters, ours, small_buckets());
  for (int step = 1; step <= 3; ++step) {
    parallel.begin_backward();
    for (const Tensor& x : parameters) {
      receive_gradient(x, ours->rank() + 1);
    }
    run_shuffled(parallel.reductions(), 5);
    for (const Tensor& x : parameters) {
      CHECK(all_equal(x.grad(), step * sum_over_ranks([](int rank) { return rank + 1; })));
    }
  }
}

TEST_CASE("data parallel: a rank without samples takes part", "[data_parallel]") {
  const auto ours = world();
  const auto parameters = several_parameters(4);
  DataParallel parallel(parameters, ours, small_buckets());
  for (int step = 0; step < 3; ++step) {
    parallel.zero_grad();
    if (ours->rank() == 0) {
      parallel.begin_backward();
      for (const Tensor& x : parameters) {
        receive_gradient(x, 3);
      }
      run_shuffled(parallel.reductions(), 5);
    } else {
      parallel.reduce_now();
    }
    for (const Tensor& x : parameters) {
      CHECK(all_equal(x.grad(), 3));
    }
  }
}

TEST_CASE("data parallel: a world of one costs nothing", "[data_parallel]") {
  const Tensor x = parameter({3});
  DataParallel parallel({x}, std::make_shared<NullCommunicator>());
  CHECK(parallel.buckets().empty());
  CHECK(parallel.reductions().empty());
  parallel.begin_backward();
  receive_gradient(x, 2);
  parallel.reduce_now();
  CHECK(all_equal(x.grad(), 2));
  parallel.zero_grad();
  CHECK_FALSE(x.grad().defined());
}
