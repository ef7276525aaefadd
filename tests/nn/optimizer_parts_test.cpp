#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <backflow/nn/optim/adagrad.h>
#include <backflow/nn/optim/adam.h>
#include <backflow/nn/optim/adamw.h>
#include <backflow/nn/optim/rmsprop.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Make = std::function<std::unique_ptr<optim::Optimizer>(std::vector<Tensor>)>;

std::vector<Make> optimizers() {
  return {[](std::vector<Tensor> p) { return std::make_unique<optim::SGD>(std::move(p), 0.1); },
          [](std::vector<Tensor> p) {
            return std::make_unique<optim::SGD>(std::move(p), optim::SGDOptions(0.1).momentum(0.9).dampening(0.1));
          },
          [](std::vector<Tensor> p) {
            return std::make_unique<optim::Adam>(std::move(p), optim::AdamOptions(0.01).amsgrad(true));
          },
          [](std::vector<Tensor> p) { return std::make_unique<optim::AdamW>(std::move(p)); },
          [](std::vector<Tensor> p) {
            return std::make_unique<optim::RMSprop>(std::move(p),
                                                    optim::RMSpropOptions(0.01).momentum(0.5).centered(true));
          },
          [](std::vector<Tensor> p) {
            return std::make_unique<optim::Adagrad>(std::move(p),
                                                    optim::AdagradOptions(0.1).initial_accumulator_value(0.3));
          }};
}

Tensor parameter(const char* key, ScalarType dtype) {
  return random_tensor({37, 3}, key, dtype).set_requires_grad(true);
}

/// Elements of x, which has them row-major.
Tensor part_of(const Tensor& x, const optim::ElementRange& range) {
  return x.detach().reshape({-1}).slice(0, range.begin, range.begin + range.numel).clone();
}

}  // namespace

TEST_CASE("optimizer parts: parts are updated as the whole is, each with its state") {
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    for (const Make& make : optimizers()) {
      const Tensor whole = parameter("p", dtype);
      const Tensor parts = parameter("p", dtype);
      const auto expected = make({whole});
      // Two processes, each with a share of one parameter.
      const std::vector<optim::ElementRange> ranges = {{0, 50}, {50, 61}};
      const std::vector<std::unique_ptr<optim::Optimizer>> shares = [&] {
        std::vector<std::unique_ptr<optim::Optimizer>> all;
        all.push_back(make({parts}));
        all.push_back(make({parts}));
        return all;
      }();
      for (int step = 0; step < 3; ++step) {
        const Tensor gradient = random_tensor({37, 3}, to_text("g", step), dtype);
        whole.mutable_grad() = gradient;
        expected->step();
        for (std::size_t i = 0; i < ranges.size(); ++i) {
          const optim::PartialUpdate update{parts, ranges[i], part_of(gradient, ranges[i])};
          shares[i]->step_parts({&update, 1});
        }
      }
      CHECK(bitwise_equal(whole.detach(), parts.detach()));
      for (std::size_t i = 0; i < ranges.size(); ++i) {
        CHECK(shares[i]->state_range(parts) == ranges[i]);
        for (const auto& item : expected->state(whole)) {
          const Tensor& share = shares[i]->state(parts)[item.key()];
          CHECK(bitwise_equal(share, item.value().dim() == 0 ? item.value() : part_of(item.value(), ranges[i])));
        }
      }
    }
  }
}

TEST_CASE("optimizer parts: state of parts is replaced, and loaded state is whole again") {
  const Tensor p = parameter("p", kFloat32);
  optim::Adam adam({p}, optim::AdamOptions(0.01));
  CHECK(adam.state_names(p) == std::vector<std::string>{"step", "exp_avg", "exp_avg_sq"});
  p.mutable_grad() = random_tensor({37, 3}, "g");
  adam.step();
  optim::Optimizer::NamedTensors saved;
  for (const auto& item : adam.state()) {
    saved.insert(item.key(), item.value().clone());
  }
  optim::Optimizer::NamedTensors part;
  for (const auto& item : adam.state(p)) {
    part.insert(item.key(), item.value().dim() == 0 ? item.value() : part_of(item.value(), {10, 20}));
  }
  adam.set_state(p, {10, 20}, part);
  CHECK(adam.state(p)["exp_avg"].numel() == 20);
  CHECK_THROWS_WITH(adam.step(), ContainsSubstring("need step_parts"));
  const optim::PartialUpdate elsewhere{p, {0, 20}, random_tensor({20}, "h")};
  CHECK_THROWS_WITH(adam.step_parts({&elsewhere, 1}), ContainsSubstring("not that of the elements from 0 to 20"));
  const optim::PartialUpdate outside{p, {100, 20}, random_tensor({20}, "h")};
  CHECK_THROWS_WITH(adam.step_parts({&outside, 1}), ContainsSubstring("elements from 100 to 120"));
  const optim::PartialUpdate wrong{p, {10, 20}, random_tensor({19}, "h")};
  CHECK_THROWS_WITH(adam.step_parts({&wrong, 1}), ContainsSubstring("gradient f32[19] of 20 elements"));
  CHECK_THROWS_WITH(adam.set_state(p, {10, 21}, part), ContainsSubstring("for 21 elements"));
  adam.load_state(saved);
  CHECK_FALSE(adam.state_range(p).has_value());
  adam.step();
}
