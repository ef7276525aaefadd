#include <backflow/distributed/training_step.h>

#include <memory>
#include <string>
#include <vector>

#include <backflow/distributed/null_communicator.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/distributed/trainee.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;
using optim::SGD;
using optim::SGDOptions;

namespace {

using Updates = TrainingStepOptions::Updates;

std::vector<Setup> setups() {
  const SGDOptions momentum = SGDOptions(0.05).momentum(0.9).weight_decay(0.01);
  return {{.name = "plain"},
          {.name = "momentum", .sgd = momentum, .two_groups = true},
          {.name = "nesterov", .sgd = SGDOptions(0.02).momentum(0.8).nesterov(true), .dtype = kFloat64},
          {.name = "clipped", .sgd = momentum, .options = {.clip_grad_norm = 0.3}},
          {.name = "clipped and checked",
           .sgd = momentum,
           .options = {.clip_grad_norm = 0.3, .check_gradients = true, .keep_gradients = true},
           .dtype = kFloat64},
          {.name = "checked", .options = {.check_gradients = true}, .micro_batches = 2},
          {.name = "after backward", .sgd = momentum, .options = {.updates = Updates::AfterBackward}},
          {.name = "micro-batches", .sgd = momentum, .micro_batches = 3},
          {.name = "adam", .adam = optim::AdamOptions(0.003).weight_decay(0.01), .two_groups = true},
          {.name = "adam with amsgrad, clipped",
           .adam = optim::AdamOptions(0.003).amsgrad(true),
           .options = {.clip_grad_norm = 0.3},
           .micro_batches = 2},
          {.name = "kept", .options = {.keep_gradients = true}}};
}

constexpr int kSteps = 20;

void check_same_as_separate_phases(const Setup& setup, const std::vector<int>& thread_counts) {
  Trainee expected(setup);
  std::vector<double> norms;
  norms.reserve(kSteps);
  for (int i = 0; i < kSteps; ++i) {
    norms.push_back(expected.separate_phases());
  }
  for (const int n : thread_counts) {
    const Threads threads(n);
    for (const auto& engine : engines(n)) {
      const EngineGuard guard(*engine);
      INFO(setup.name << ", engine " << engine->name() << ", " << n << " threads");
      Trainee ours(setup);
      TrainingStep step(ours.parallel, *ours.optimizer, setup.options);
      bool same_norms = true;
      for (const double norm : norms) {
        same_norms = ours.step_graph(step) == norm && same_norms;
      }
      CHECK(same_norms);
      CHECK(bitwise_equal(ours.result(), expected.result()));
      const auto kept = setup.options.keep_gradients ? expected.gradients() : std::vector<Tensor>(6);
      CHECK(bitwise_equal(ours.gradients(), kept));
    }
  }
}

std::vector<std::string> names_of(const TrainingStep& step) {
  std::vector<std::string> names;
  for (const PassTask& task : step.tasks()) {
    names.push_back(task.name);
  }
  return names;
}

}  // namespace

TEST_CASE("training step: 20 steps as of separate phases, bitwise, on any engine and number of threads",
          "[training_step]") {
  for (const Setup& setup : setups()) {
    check_same_as_separate_phases(setup, {1, 2, 4, 8});
  }
}

TEST_CASE("training step: its tasks are named, and a barrier is one of them", "[training_step]") {
  const auto null = std::make_shared<NullCommunicator>();
  Trainee trainee(Setup{});
  const auto with = [&](const TrainingStepOptions& options) {
    DataParallel alone(trainee.model->parameters(), null, {.limits = {}, .names = trainee.names()});
    return names_of(TrainingStep(alone, *trainee.optimizer, options));
  };
  using Names = std::vector<std::string>;
  const Names updates = {"update 2.weight and 3 more", "update 0.weight and 1 more"};
  const auto after = [&](const std::string& first) { return Names{first, updates[0], updates[1]}; };
  CHECK(with({}) == updates);
  CHECK(with({.clip_grad_norm = 1, .check_gradients = true}) == after("clip_grad_norm"));
  CHECK(with({.check_gradients = true}) == after("check gradients"));
  CHECK(with({.updates = Updates::AfterBackward}) == after("all gradients"));

  FakeCommunicator fake(0, 2);
  DataParallel two(trainee.model->parameters(), {&fake, [](Communicator*) {}}, {.limits = {4000, 30'000}, .names = {}});
  const TrainingStep step(two, *trainee.optimizer);
  const std::size_t buckets = two.buckets().size();
  REQUIRE(buckets > 1);
  REQUIRE(step.tasks().size() == 2 * buckets);
  for (std::uint32_t b = 0; b < buckets; ++b) {
    CHECK(step.tasks()[b].name == to_text("all_reduce bucket ", b));
    CHECK(step.tasks()[buckets + b].after == std::vector<TaskIndex>{TaskIndex(b)});
  }
  CHECK(step.tasks()[buckets].name == "update parameter 5 and 2 more");
}

TEST_CASE("training step: an update begins before backward ends, and frees the gradient", "[training_step]") {
  // The nodes of a serial pass run in a known order: the last layer's parameters are updated before the first layer's
  // gradients are computed.
  SerialEngine serial;
  const EngineGuard guard(serial);
  const auto null = std::make_shared<NullCommunicator>();
  const Tensor first = parameter({400, 400}, 0.01);
  const Tensor last = parameter({400, 400}, 0.01);
  DataParallel alone({first, last}, null);
  SGD sgd(alone.parameters(), 0.5);
  TrainingStep step(alone, sgd);
  bool updated = false;
  bool freed = false;
  const Tensor before = last.detach().clone();
  const Tensor w = hooked(first, [&] {
    updated = !bitwise_equal(last.detach(), before);
    freed = !last.grad().defined();
  });
  const Tensor x = random_tensor({4, 400}, "x");
  step.backward(linear(tanh(linear(x, w)), last).sum());
  CHECK(updated);
  CHECK(freed);
}

TEST_CASE("training step: parameters without a gradient are left alone", "[training_step]") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const auto parameters = [] { return std::vector<Tensor>{parameter({9}, 1), parameter({9}, 2), parameter({9}, 3)}; };
    const auto loss = [](const std::vector<Tensor>& p, int step) {
      // The last takes part on the first rank alone, the one in the middle in every second step.
      Tensor sum = p[0].sum() * 2.0;
      sum = step % 2 == 0 ? sum + (p[1] * p[1]).sum() : sum;
      return world()->rank() == 0 && step == 3 ? sum + p[2].sum() : sum;
    };
    const SGDOptions options = SGDOptions(0.1).momentum(0.5).weight_decay(0.1);
    const auto ours = parameters();
    const auto theirs = parameters();
    DataParallel parallel(ours, world(), {.limits = {4, 4}, .names = {}});
    DataParallel separate(theirs, world(), {.limits = {4, 4}, .names = {}});
    SGD sgd(ours, options);
    SGD plain(theirs, options);
    TrainingStep step(parallel, sgd);
    for (int i = 0; i < 6; ++i) {
      step.backward(loss(ours, i));
      separate.zero_grad();
      separate.begin_backward();
      autograd::backward({loss(theirs, i)}, {}, {.tasks = separate.reductions()});
      plain.step();
      for (std::size_t k = 0; k < ours.size(); ++k) {
        CHECK(bitwise_equal(ours[k].detach(), theirs[k].detach()));
      }
      CHECK((i < 3) == all_equal(ours[2], 3));
    }
  }
}

TEST_CASE("training step: ranks without samples, and gradients that were added up before", "[training_step]") {
  for (const TrainingStepOptions& options : {TrainingStepOptions{}, {.clip_grad_norm = 0.5}}) {
    const Setup setup{.name = "", .sgd = SGDOptions(0.1).momentum(0.9), .options = options};
    Trainee ours(setup);
    Trainee theirs(setup);
    TrainingStep step(ours.parallel, *ours.optimizer, options);
    for (int i = 0; i < 4; ++i) {
      // Rank 0 has no sample in odd steps, the others none in the last.
      const bool idle = world()->rank() == 0 ? i % 2 == 1 : i == 3;
      theirs.parallel.zero_grad();
      if (idle) {
        step.reduce_now();
        theirs.parallel.reduce_now();
      } else {
        step.backward(ours.loss());
        theirs.backward(theirs.loss());
      }
      if (options.clip_grad_norm > 0) {
        nn::utils::clip_grad_norm_(theirs.parallel.parameters(), options.clip_grad_norm);
      }
      theirs.optimizer->step();
      ours.schedule();
      theirs.schedule();
    }
    CHECK(bitwise_equal(ours.result(), theirs.result()));
    step.backward(ours.loss(), GradientSync::Later);
    step.reduce_now();
    theirs.separate_phases();
    CHECK(bitwise_equal(ours.copies(), theirs.copies()));
  }
}

TEST_CASE("training step: a group that is added later is updated too", "[training_step]") {
  const std::vector<Tensor> p = {parameter({3}, 1), parameter({3}, 1)};
  DataParallel parallel(p, world());
  SGD sgd(std::vector<Tensor>{p[0]}, 0.5);
  TrainingStep step(parallel, sgd);
  const auto loss = [&] { return (p[0] + p[1]).sum() / static_cast<double>(world()->size()); };
  step.backward(loss());
  CHECK(all_equal(p[0], 0.5));
  CHECK(all_equal(p[1], 1));
  CHECK(all_equal(p[1].grad(), 1));  // nobody dropped it
  parallel.zero_grad();
  sgd.add_param_group(std::vector<Tensor>{p[1]});
  step.backward(loss());
  CHECK(all_equal(p[0], 0));
  CHECK(all_equal(p[1], 0.5));
}
