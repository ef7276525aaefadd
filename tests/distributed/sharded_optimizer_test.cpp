#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/training_step.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/distributed/trainee.h>
#include <backflow/tests/support/engines.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;
using optim::SGDOptions;

namespace {

constexpr int kSteps = 6;

std::vector<Setup> setups() {
  const SGDOptions momentum = SGDOptions(0.05).momentum(0.9).weight_decay(0.01);
  return {{.name = "plain"},
          {.name = "momentum", .sgd = momentum, .two_groups = true},
          {.name = "checked", .options = {.check_gradients = true}, .micro_batches = 2},
          {.name = "micro-batches", .sgd = momentum, .micro_batches = 3},
          {.name = "adam", .adam = optim::AdamOptions(0.003).weight_decay(0.01), .two_groups = true},
          {.name = "amsgrad", .adam = optim::AdamOptions(0.003).amsgrad(true)}};
}

Setup with(Setup setup, OptimizerState state) {
  setup.optimizer_state = state;
  // The sums of two numbers, and those of bfloat16, have one order; others that of the communicator.
  setup.compression = world()->size() <= 2 ? Compression::None : Compression::BFloat16;
  return setup;
}

/// A trainee with its step.
struct Run {
  Trainee trainee;
  TrainingStep step;

  Run(const Setup& setup, OptimizerState state)
      : trainee(with(setup, state)), step(trainee.parallel, *trainee.optimizer, setup.options) {}
  void steps(int n) {
    for (int i = 0; i < n; ++i) {
      trainee.step_graph(step);
    }
  }
  optim::Optimizer::NamedTensors state() const { return step.optimizer_state(trainee.model->named_parameters()); }
};

std::vector<Tensor> tensors_of(const optim::Optimizer::NamedTensors& named) {
  std::vector<Tensor> all;
  for (const auto& item : named) {
    all.push_back(item.value());
  }
  return all;
}

void check_same_state(const Run& a, const Run& b) {
  const auto ours = a.state();
  const auto theirs = b.state();
  if (world()->rank() == 0) {
    CHECK(ours.keys() == theirs.keys());
    CHECK(bitwise_equal(tensors_of(ours), tensors_of(theirs)));
  }
}

double bytes_of_state(const optim::Optimizer& optimizer) {
  double bytes = 0;
  for (const auto& item : optimizer.state()) {
    bytes += item.value().dim() > 0 ? static_cast<double>(item.value().nbytes()) : 0;
  }
  return bytes;
}

}  // namespace

TEST_CASE("sharded optimizer: parameters and state are those of a replicated one, bit for bit", "[sharded]") {
  for (const Setup& setup : setups()) {
    Run expected(setup, OptimizerState::Replicated);
    expected.steps(kSteps);
    for (const int n : {1, 2, 4}) {
      const Threads threads(n);
      for (const auto& engine : engines(n)) {
        const EngineGuard guard(*engine);
        INFO(setup.name << ", engine " << engine->name() << ", " << n << " threads");
        Run ours(setup, OptimizerState::Sharded);
        ours.steps(kSteps);
        CHECK(bitwise_equal(ours.trainee.copies(), expected.trainee.copies()));
        check_same_state(ours, expected);
        for (const Tensor& gradient : ours.trainee.gradients()) {
          CHECK_FALSE(gradient.defined());
        }
      }
    }
  }
}

TEST_CASE("sharded optimizer: a rank keeps the state of its share alone", "[sharded]") {
  const Setup setup{.name = "", .adam = optim::AdamOptions(0.003)};
  Run ours(setup, OptimizerState::Sharded);
  Run whole(setup, OptimizerState::Replicated);
  ours.steps(2);
  whole.steps(2);
  const double part = bytes_of_state(*ours.trainee.optimizer) / bytes_of_state(*whole.trainee.optimizer);
  CHECK(part <= 1.08 / world()->size());
  std::vector<double> sum = {part};
  world()->all_reduce_sum(std::span(sum));
  CHECK(sum[0] == Approx(1).epsilon(1e-12));
}

TEST_CASE("sharded optimizer: clipping by the global norm", "[sharded]") {
  const Setup setup{.name = "", .sgd = SGDOptions(0.05).momentum(0.9), .options = {.clip_grad_norm = 0.3}};
  Run ours(setup, OptimizerState::Sharded);
  Run whole(setup, OptimizerState::Replicated);
  for (int i = 0; i < kSteps; ++i) {
    ours.steps(1);
    whole.steps(1);
    CHECK(ours.step.grad_norm() == Approx(whole.step.grad_norm()).epsilon(1e-6));
    CHECK(ours.step.grad_norm() > 0.3);
  }
  const auto a = ours.trainee.copies();
  const auto b = whole.trainee.copies();
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK((a[i] - b[i]).abs().max().item<double>() < 1e-6);
  }
}

TEST_CASE("sharded optimizer: its state goes on in a replicated one, and back", "[sharded]") {
  const Setup setup{.name = "", .adam = optim::AdamOptions(0.003).amsgrad(true)};
  Run expected(setup, OptimizerState::Replicated);
  expected.steps(kSteps);
  for (const auto& [first, then] : {std::pair(OptimizerState::Sharded, OptimizerState::Replicated),
                                    std::pair(OptimizerState::Replicated, OptimizerState::Sharded),
                                    std::pair(OptimizerState::Sharded, OptimizerState::Sharded)}) {
    Run before(setup, first);
    before.steps(kSteps / 2);
    // As a checkpoint does: the first rank writes, all read.
    const auto collected = before.state();
    optim::Optimizer::NamedTensors saved;
    Run after(setup, then);
    Run shape(setup, OptimizerState::Replicated);
    shape.steps(1);
    for (const auto& item : shape.state()) {
      Tensor copy = world()->rank() == 0 ? collected[item.key()].clone()
                                         : empty_tensor_like(item.value(), item.value().scalar_type());
      world()->broadcast(copy);
      saved.insert(item.key(), copy);
    }
    const NoGradGuard no_grad;
    for (std::size_t i = 0; i < before.trainee.parallel.parameters().size(); ++i) {
      after.trainee.parallel.parameters()[i].copy_(before.trainee.parallel.parameters()[i]);
    }
    after.trainee.optimizer->load_state(saved, after.trainee.model->named_parameters());
    {
      const AutoGradMode recording(true);
      for (int i = 0; i < kSteps / 2; ++i) {
        after.trainee.schedule();
      }
      after.steps(kSteps - kSteps / 2);
    }
    CHECK(bitwise_equal(after.trainee.copies(), expected.trainee.copies()));
    check_same_state(after, expected);
  }
}

TEST_CASE("sharded optimizer: state moves when the buckets are planned anew", "[sharded]") {
  const auto run = [](OptimizerState state) {
    std::vector<Tensor> p;
    for (int i = 0; i < 5; ++i) {
      p.push_back(random_tensor({10, 10}, to_text("w", i)).set_requires_grad(true));
    }
    DataParallel parallel(
        p, world(),
        {.limits = {400, 800}, .names = {}, .compression = with({}, state).compression, .optimizer_state = state});
    optim::Adam adam(p, optim::AdamOptions(0.01));
    TrainingStep step(parallel, adam);
    for (int i = 0; i < 6; ++i) {
      if (i == 3) {
        p[4].set_requires_grad(false);  // its state is kept
      } else if (i == 5) {
        p[4].set_requires_grad(true);
      }
      Tensor x = random_tensor({4, 10}, to_text("x", i, ",", world()->rank()));
      for (const std::size_t k : {2U, 0U, 4U, 1U, 3U}) {
        x = tanh(matmul(x, p[k]));
      }
      step.backward(x.sum());
    }
    std::vector<Tensor> result;
    for (const Tensor& x : p) {
      result.push_back(x.detach().clone());
    }
    const auto state_of_all = step.optimizer_state({});
    if (world()->rank() == 0) {
      for (const auto& item : state_of_all) {
        result.push_back(item.value().clone());
      }
    }
    CHECK((world()->size() == 1 || parallel.plan_number() >= 3));
    return result;
  };
  CHECK(bitwise_equal(run(OptimizerState::Sharded), run(OptimizerState::Replicated)));
}

TEST_CASE("sharded optimizer: ranks without samples, and parameters that nobody uses", "[sharded]") {
  const Setup setup{.name = "", .sgd = SGDOptions(0.1).momentum(0.9).weight_decay(0.1)};
  Run ours(setup, OptimizerState::Sharded);
  Run theirs(setup, OptimizerState::Replicated);
  for (int i = 0; i < 4; ++i) {
    for (Run* run : {&ours, &theirs}) {
      run->trainee.parallel.zero_grad();
      const bool idle = world()->rank() == 0 ? i % 2 == 1 : i == 2;
      if (idle) {
        run->step.reduce_now();
      } else {
        // The last layer alone in the last step.
        const auto p = run->trainee.parallel.parameters();
        run->step.backward(i == 3 ? (p[4] * p[4]).sum() : run->trainee.loss());
      }
      run->trainee.schedule();
    }
  }
  CHECK(bitwise_equal(ours.trainee.copies(), theirs.trainee.copies()));
  check_same_state(ours, theirs);
}

TEST_CASE("sharded optimizer: what it can't do is an Error", "[sharded]") {
  if (world()->size() == 1) {
    return;
  }
  const Setup setup = with({}, OptimizerState::Sharded);
  Trainee trainee(setup);
  CHECK_THROWS_WITH(TrainingStep(trainee.parallel, *trainee.optimizer, {.keep_gradients = true}),
                    ContainsSubstring("keep_gradients with a sharded optimizer"));
  optim::SGD some(std::vector<Tensor>{trainee.parallel.parameters()[0]}, 0.1);
  CHECK_THROWS_WITH(TrainingStep(trainee.parallel, some), ContainsSubstring("is not the optimizer's"));

  Run bad({.name = "", .options = {.check_gradients = true}}, OptimizerState::Sharded);
  const auto before = bad.trainee.copies();
  const double infinite = world()->rank() == 1 ? std::numeric_limits<double>::infinity() : 1;
  CHECK_THROWS_WITH(bad.step.backward(bad.trainee.loss() * infinite),
                    ContainsSubstring("training step: the gradient of ") && ContainsSubstring("NaN or infinite"));
  CHECK(bitwise_equal(bad.trainee.copies(), before));
}
