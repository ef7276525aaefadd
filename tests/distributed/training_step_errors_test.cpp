// What holds after a step that failed.
#include <backflow/distributed/training_step.h>

#include <cmath>
#include <limits>
#include <memory>
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

/// A loss whose first layer fails in backward, after all others are complete.
Tensor failing_loss(const Trainee& trainee) {
  const std::vector<Tensor> p = trainee.parallel.parameters();
  const Tensor first = hooked(p[0], [] { fail("layer: broken (w): need another"); });
  const Tensor x = random_tensor({6, 40}, "x", p[0].scalar_type());
  return linear(relu(linear(relu(linear(x, first, p[1])), p[2], p[3])), p[4], p[5]).sum();
}

}  // namespace

TEST_CASE("training step: NaN and infinite gradients are an error that names the parameter, and change nothing",
          "[training_step]") {
  const double inf = std::numeric_limits<double>::infinity();
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    for (const double clip : {0.0, 1.0}) {
      for (const double bad : {inf, -inf, std::nan("")}) {
        const TrainingStepOptions options{.clip_grad_norm = clip, .check_gradients = true};
        Trainee trainee({.name = "", .sgd = SGDOptions(0.1).momentum(0.9), .options = options});
        TrainingStep step(trainee.parallel, *trainee.optimizer, options);
        trainee.step_graph(step);
        const auto before = trainee.result();
        trainee.parallel.zero_grad();
        const Tensor loss = trainee.loss() + trainee.parallel.parameters()[2][5][17] * bad;
        CHECK_THROWS_WITH(step.backward(loss),
                          Equals("training step: the gradient of 2.weight f32[60, 300] has elements that are NaN or "
                                 "infinite: need finite numbers; a smaller learning rate may help"));
        CHECK(bitwise_equal(trainee.result(), before));
        trainee.step_graph(step);  // and goes on as if nothing had been
        CHECK_FALSE(bitwise_equal(trainee.result(), before));
        for (const Tensor& x : trainee.result()) {
          CHECK(std::isfinite(x.sum().item<double>()));
        }
      }
    }
  }
}

TEST_CASE("training step: a failing backward leaves parameters as they were, or updated in full", "[training_step]") {
  // Every rank alone: what others would wait for does not come.
  const auto null = std::make_shared<NullCommunicator>();
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    for (const auto updates : {Updates::DuringBackward, Updates::AfterBackward}) {
      Trainee trainee({.name = "", .sgd = SGDOptions(0.1)}, null);
      Trainee whole(trainee.setup, null);
      TrainingStep step(trainee.parallel, *trainee.optimizer, {.updates = updates});
      TrainingStep unbroken(whole.parallel, *whole.optimizer);
      const auto before = trainee.copies();
      CHECK_THROWS_WITH(step.backward(failing_loss(trainee)), ContainsSubstring("layer: broken (w): need another"));
      const std::vector<Tensor> p = whole.parallel.parameters();
      const Tensor x = random_tensor({6, 40}, "x");
      unbroken.backward(linear(relu(linear(relu(linear(x, p[0], p[1])), p[2], p[3])), p[4], p[5]).sum());
      const auto now = trainee.copies();
      const auto updated = whole.copies();
      CHECK(bitwise_equal(now[0], before[0]));
      for (std::size_t i = 1; i < now.size(); ++i) {
        const bool untouched = bitwise_equal(now[i], before[i]);
        CHECK((untouched || (updates == Updates::DuringBackward && bitwise_equal(now[i], updated[i]))));
      }
      trainee.step_graph(step);
      CHECK_FALSE(bitwise_equal(trainee.copies()[0], before[0]));
    }
  }
}

TEST_CASE("training step: mistakes are errors", "[training_step]") {
  const Tensor a = parameter({3});
  const Tensor b = parameter({3});
  DataParallel parallel({a}, world());
  SGD other(std::vector<Tensor>{a, b}, 0.5);
  SGD sgd(std::vector<Tensor>{a}, 0.5);
  const auto make = [&](optim::Optimizer& optimizer, double clip) {
    TrainingStep(parallel, optimizer, {.clip_grad_norm = clip});
  };
  CHECK_THROWS_WITH(make(other, 0),
                    Equals("training step: 1 of 2 parameters of the optimizer are not in the data parallel model: need "
                           "all of them there"));
  CHECK_THROWS_WITH(make(sgd, -1), Equals("training step: clip_grad_norm -1: need a number >= 0; 0 does not clip"));
  CHECK_THROWS_AS(make(sgd, std::nan("")), Error);
}
