// Linear layers whose weights are used again and again: what they keep must never be out of date.
#include <thread>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using test::bitwise_equal;
using test::random_tensor;

namespace {

struct Network : nn::Module {
  Network()
      : first(register_module("first", nn::Linear(256, 320))),
        second(register_module("second", nn::Linear(320, 256))) {}
  Tensor forward(const Tensor& x) { return second(relu(first(x))); }

  nn::Linear first;
  nn::Linear second;
};

/// What the network computes, in float64.
Tensor exact(Network& network, const Tensor& x) {
  const auto apply = [](const nn::Linear& layer, const Tensor& t) {
    return nn::functional::linear(t, layer->weight.to(kFloat64), layer->bias.to(kFloat64));
  };
  return apply(network.second, relu(apply(network.first, x.to(kFloat64))));
}

void check_exact(Network& network, const Tensor& x) {
  const NoGradGuard no_grad;
  const Tensor y = network.forward(x);
  CHECK(bitwise_equal(network.forward(x), y));
  CHECK(test::distance(test::array_of(y), test::array_of(exact(network, x))) <= 1e-3);
}

template <class F>
std::int64_t packs_of(const F& body) {
  const std::int64_t before = kernel_counts().weight_reorders;
  body();
  return kernel_counts().weight_reorders - before;
}

/// Weights that are packed in one evaluation on this processor.
std::int64_t packs_of_evaluation() {
  Network network;
  return packs_of([&] { check_exact(network, random_tensor({16, 256}, "x")); });
}

template <class Optimizer>
void check_training(Network& network, Optimizer& optimizer) {
  const Tensor x = random_tensor({16, 256}, "x");
  const std::int64_t packs = packs_of_evaluation();
  for (int epoch = 0; epoch < 3; ++epoch) {
    CHECK(packs_of([&] {
            for (int step = 0; step < 3; ++step) {
              optimizer.zero_grad();
              network.forward(x).pow(2).mean().backward();
              optimizer.step();
            }
          }) == 0);
    CHECK(packs_of([&] {
            for (int batch = 0; batch < 5; ++batch) {
              check_exact(network, random_tensor({16, 256}, "batch"));
            }
          }) == packs);
  }
}

}  // namespace

TEST_CASE("serving: training and evaluation by turns", "[nn]") {
  Network network;
  SECTION("SGD") {
    optim::SGD optimizer(network.parameters(), optim::SGDOptions(0.1).momentum(0.9));
    check_training(network, optimizer);
  }
  SECTION("Adam") {
    optim::Adam optimizer(network.parameters(), optim::AdamOptions(0.01));
    check_training(network, optimizer);
  }
}

TEST_CASE("serving: changes of weights are seen", "[nn]") {
  Network network;
  const Tensor x = random_tensor({16, 256}, "x");
  check_exact(network, x);
  nn::init::normal_(network.first->weight);
  check_exact(network, x);
  network.first->reset_parameters();
  check_exact(network, x);
  {
    const NoGradGuard no_grad;
    network.second->weight.copy_(random_tensor({256, 320}, "loaded"));
  }
  check_exact(network, x);
  network.second->weight = random_tensor({256, 320}, "replaced").clone().set_requires_grad(true);
  check_exact(network, x);
  auto* weights = network.second->weight.data_ptr<float>();
  for (int i = 0; i < 3; ++i) {
    weights[i] += 100;
    check_exact(network, x);
  }
  network.to(kFloat64);
  network.to(kFloat32);
  check_exact(network, x);
}

TEST_CASE("serving: many threads evaluate one module", "[nn]") {
  Network network;
  constexpr std::size_t kThreads = 6;
  std::vector<Tensor> inputs;
  std::vector<Tensor> expected;
  for (std::size_t i = 0; i < kThreads; ++i) {
    inputs.push_back(random_tensor({static_cast<std::int64_t>(4 + 9 * i), 256}, "x" + std::to_string(i)));
    expected.push_back(exact(network, inputs[i]).detach());
  }
  for (int round = 0; round < 5; ++round) {
    std::vector<Tensor> results(kThreads);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const InferenceMode inference;
        for (int call = 0; call < 5; ++call) {
          results[i] = network.forward(inputs[i]);
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (std::size_t i = 0; i < kThreads; ++i) {
      CHECK(test::distance(test::array_of(results[i]), test::array_of(expected[i])) <= 1e-3);
    }
    const NoGradGuard no_grad;
    network.first->weight.mul_(1);  // a change that changes nothing: all threads find packed weights out of date
  }
}
