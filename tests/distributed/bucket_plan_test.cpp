#include <backflow/distributed/buckets/bucket_plan.h>

#include <cstddef>
#include <string>
#include <vector>

#include <backflow/distributed/data_parallel.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

using Members = std::vector<std::vector<std::size_t>>;

template <class Plans>
Members members(const Plans& plans) {
  Members out;
  for (const BucketPlan& plan : plans) {
    out.emplace_back();
    for (const BucketSlot& slot : plan.slots) {
      out.back().push_back(slot.parameter);
    }
  }
  return out;
}

Members members(const DataParallel& parallel) {
  std::vector<BucketPlan> plans;
  for (const Bucket& bucket : parallel.buckets()) {
    plans.push_back(bucket.plan());
  }
  return members(plans);
}

std::vector<Tensor> square_parameters(std::size_t n) {
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < n; ++i) {
    out.push_back(random_tensor({10, 10}, to_text("w", i)).set_requires_grad(true));
  }
  return out;
}

/// A chain of matrices in the order `uses`; backward completes their gradients from the last use on.
Tensor chain(const std::vector<Tensor>& parameters, const std::vector<std::size_t>& uses, int step) {
  Tensor x = random_tensor({4, 10}, to_text("x", step, ",", world()->rank()));
  for (const std::size_t i : uses) {
    x = tanh(matmul(x, parameters[i]));
  }
  return x.sum();
}

void run_step(DataParallel& parallel, const Tensor& loss) {
  parallel.zero_grad();
  parallel.begin_backward();
  autograd::backward({loss}, {}, {.tasks = parallel.reductions()});
}

/// A bucket for every two parameters of 400 bytes, one for the first.
constexpr BucketLimits kSmall{400, 800};

void check_same_on_all_ranks(const DataParallel& parallel) {
  std::string text;
  for (const auto& bucket : members(parallel)) {
    for (const std::size_t i : bucket) {
      text += to_text(i, " ");
    }
    text += "|";
  }
  for (const std::string& theirs : world()->all_gather(text)) {
    CHECK(theirs == text);
  }
}

}  // namespace

TEST_CASE("bucket plan: follows a given order", "[buckets]") {
  const std::vector<Tensor> parameters = square_parameters(5);
  CHECK(members(plan_buckets(parameters, kSmall, ParameterOrder{3, 1, 4, 0, 2})) == Members{{3}, {1, 4}, {0, 2}});
  CHECK(members(plan_buckets(parameters, kSmall)) == Members{{4}, {3, 2}, {1, 0}});
}

TEST_CASE("bucket plan: how long gradients wait", "[buckets]") {
  const std::vector<Tensor> parameters = square_parameters(4);
  const auto alone = plan_buckets(parameters, {400, 400}, ParameterOrder{0, 1, 2, 3});
  CHECK(mean_wait(alone, parameters, ParameterOrder{0, 1, 2, 3}) == Approx(0.625));
  CHECK(mean_wait(alone, parameters, ParameterOrder{3, 2, 1, 0}) == Approx(1));  // the first bucket comes last
  CHECK(mean_wait(alone, parameters, ParameterOrder{1, 2, 3}) == Approx(0.5));   // nobody waits for the first
  CHECK(mean_wait(alone, parameters, ParameterOrder{}) == 0);
}

TEST_CASE("bucket plan: the order of the first backward, which rank 0 tells the others", "[buckets]") {
  const auto parameters = square_parameters(5);
  DataParallel parallel(parameters, world(), {.limits = kSmall, .names = {}});
  if (world()->size() == 1) {
    return;
  }
  CHECK(members(parallel) == Members{{4}, {3, 2}, {1, 0}});
  const std::int64_t first = parallel.plan_number();
  // The others use them in another order.
  const std::vector<std::size_t> uses =
      world()->rank() == 0 ? std::vector<std::size_t>{2, 0, 4, 1, 3} : std::vector<std::size_t>{0, 1, 2, 3, 4};
  for (int step = 0; step < 3; ++step) {
    run_step(parallel, chain(parameters, uses, step));
    check_same_on_all_ranks(parallel);
    CHECK(parallel.plan_number() == (step == 0 ? first : first + 1));
  }
  CHECK(members(parallel) == Members{{3}, {1, 4}, {0, 2}});
}

TEST_CASE("bucket plan: another order for good gives other buckets, a passing one does not", "[buckets]") {
  const auto parameters = square_parameters(5);
  DataParallel parallel(parameters, world(), {.limits = kSmall, .names = {}});
  if (world()->size() == 1) {
    return;
  }
  const Members forward = {{4}, {3, 2}, {1, 0}};
  const auto run = [&](int first, int end, const std::vector<std::size_t>& uses) {
    for (int step = first; step < end; ++step) {
      run_step(parallel, chain(parameters, uses, step));
      check_same_on_all_ranks(parallel);
    }
  };
  run(0, 250, {0, 1, 2, 3, 4});
  CHECK(members(parallel) == forward);
  run(250, 320, {3, 2, 1, 0});  // 4 is used no more
  CHECK(members(parallel) == Members{{0}, {1, 2}, {3, 4}});
  run(320, 380, {0, 1, 2, 3, 4});
  CHECK(members(parallel) == Members{{0}, {1, 2}, {3, 4}});  // nobody has watched
  run(380, 420, {0, 1, 2, 3, 4});
  CHECK(members(parallel) == forward);
}

TEST_CASE("bucket plan: frozen parameters leave the buckets, freed ones come back", "[buckets]") {
  const auto parameters = square_parameters(4);
  DataParallel parallel(parameters, world(), {.limits = kSmall, .names = {}});
  const auto step = [&](int number) {
    run_step(parallel, chain(parameters, {0, 1, 2, 3}, number));
    std::vector<double> sums;
    for (const Tensor& p : parameters) {
      sums.push_back(p.grad().defined() ? p.grad().sum().item<double>() : 0);
    }
    return sums;
  };
  const auto free = step(0);
  parameters[1].set_requires_grad(false);
  parameters[2].set_requires_grad(false);
  const auto frozen = step(0);
  CHECK(frozen == std::vector<double>{free[0], 0, 0, free[3]});
  if (world()->size() > 1) {
    CHECK(parallel.buckets().size() == 2);
  }
  parameters[1].set_requires_grad(true);
  CHECK(step(0) == std::vector<double>{free[0], free[1], 0, free[3]});
  if (world()->size() > 1) {
    CHECK(parallel.buckets().size() == 2);
    parallel.zero_grad();
    parameters[0].set_requires_grad(world()->rank() != 1);  // on one rank alone
    CHECK_THROWS_WITH(parallel.begin_backward(), ContainsSubstring("ranks disagree"));
  }
}

TEST_CASE("bucket plan: gradients that are kept across a new plan are counted once", "[buckets]") {
  const auto parameters = square_parameters(3);
  DataParallel parallel(parameters, world(), {.limits = kSmall, .names = {}});
  const double ranks = world()->size();
  const auto backward = [&](GradientSync sync) {
    // The gradient of each is the number of its uses, whatever its value; the last is used first.
    const Tensor loss = (parameters[2] + parameters[0]).sum() + parameters[1].sum();
    parallel.begin_backward(sync);
    const std::vector<PassTask> tasks = parallel.reductions();
    autograd::backward({loss}, {}, {.tasks = sync == GradientSync::Now ? tasks : std::span<const PassTask>()});
  };
  backward(GradientSync::Now);
  backward(GradientSync::Later);  // adds to the sums of the first plan
  backward(GradientSync::Now);
  for (const Tensor& p : parameters) {
    CHECK(all_equal(p.grad(), 3 * ranks));
  }
}

TEST_CASE("bucket plan: a task of former buckets is an Error", "[buckets]") {
  if (world()->size() == 1) {
    return;
  }
  const auto parameters = square_parameters(5);
  DataParallel parallel(parameters, world(), {.limits = kSmall, .names = {}});
  run_step(parallel, chain(parameters, {2, 0, 4, 1, 3}, 0));
  const std::vector<PassTask> old = parallel.reductions();
  parallel.begin_backward();
  CHECK_THROWS_WITH(run_and_wait(old[0]), ContainsSubstring("planned anew"));
}

TEST_CASE("bucket plan: has no influence on sums in the order of the ranks", "[buckets]") {
  // Sums of bfloat16 are added in that order on any number of ranks.
  std::vector<std::vector<Tensor>> results;
  for (const BucketLimits& limits : {BucketLimits{}, kSmall, BucketLimits{400, 400}}) {
    const auto parameters = square_parameters(5);
    DataParallel parallel(parameters, world(), {.limits = limits, .names = {}, .compression = Compression::BFloat16});
    for (int step = 0; step < 3; ++step) {
      run_step(parallel, chain(parameters, {2, 0, 4, 1, 3}, step));
    }
    results.emplace_back();
    for (const Tensor& p : parameters) {
      results.back().push_back(p.grad().detach().clone());
    }
  }
  CHECK(bitwise_equal(results[0], results[1]));
  CHECK(bitwise_equal(results[0], results[2]));
}
