// What networks compute has the same bits on any number of threads, on every engine, and however loops are cut.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/runtime/threads/observed_work.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/cuts.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/networks.h>

using namespace backflow;
using test::bitwise_equal;
using test::random_tensor;
using Tensors = std::vector<Tensor>;

namespace {

/// Compares the bits of what `compute` returns: threads, engines, and cuts. Returns how many loops were cut.
std::int64_t check_bits(const std::function<Tensors()>& compute) {
  SerialEngine serial;
  FlowEngine flow;
  FlowEngine always(FlowEngine::Use::Always);
  Tensors expected;
  for (const int n : {1, 2, 3, 8, 64}) {
    const test::Threads threads(n);
    for (Engine* engine : {static_cast<Engine*>(&serial), static_cast<Engine*>(&flow), static_cast<Engine*>(&always)}) {
      const EngineGuard guard(*engine);
      const Tensors found = compute();
      if (expected.empty()) {
        test::check_is_finite(found);
        expected = found;
      }
      INFO(n << " threads, engine " << engine->name());
      CHECK(bitwise_equal(found, expected));
    }
  }
  const test::Threads threads(3);
  const test::CutComparison found = test::compare_cuts(compute);
  CHECK_THAT(found.difference, Equals(""));
  return found.cut_loops;
}

/// Makes a network with the same parameters each time.
template <class Make>
void check_training(const Make& make, const test::Index& input, ScalarType dtype = kFloat32) {
  const Tensor x = random_tensor(input, "x", dtype);
  const std::int64_t cut_loops = check_bits([&] {
    manual_seed(1);
    const auto model = make();
    model->to(dtype);
    return test::trained(model, x);
  });
  CHECK(cut_loops > 0);
}

/// Eight branches of four products each, their sum, and all gradients.
Tensors branches8() {
  const Tensor x = random_tensor({256, 256}, "x");
  Tensors weights;
  for (int i = 0; i < 32; ++i) {
    weights.push_back((random_tensor({256, 256}, std::to_string(i)) / 16).requires_grad_());
  }
  std::vector<std::function<Tensor()>> branches;
  for (std::size_t b = 0; b < 8; ++b) {
    branches.emplace_back([&, b] {
      Tensor y = x;
      for (std::size_t i = 0; i < 4; ++i) {
        y = mm(y, weights[b * 4 + i]);
      }
      return y;
    });
  }
  Tensor total = zeros({256, 256});
  for (const Tensor& y : parallel(branches)) {
    total = total + y;
  }
  const Tensor loss = (total * total).mean();
  Tensors results = autograd::grad({loss}, weights);
  results.push_back(loss.detach());
  return results;
}

/// The result for one input, by a network in evaluation, first and again.
template <class Model>
Tensors evaluated(const Model& model, const Tensor& x) {
  const NoGradGuard no_grad;
  model->eval();
  return {model(x), model(x)};
}

/// Parameters of many sizes after three steps of an optimizer whose gradients are clipped.
template <class Optimizer, class Options>
void check_updates(const char* name, const Options& options) {
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    INFO(name << " in " << dtype);
    check_bits([&] {
      Tensors parameters;
      for (const test::Index& sizes : std::vector<test::Index>{{70'000}, {7}, {33, 65}, {}, {300, 11}}) {
        parameters.push_back(random_tensor(sizes, "p" + std::to_string(parameters.size()), dtype).requires_grad_());
      }
      Optimizer optimizer(parameters, options);
      Tensors results;
      for (int step = 0; step < 3; ++step) {
        for (const Tensor& p : parameters) {
          p.mutable_grad() = random_tensor(p.sizes().vec(), "g" + std::to_string(step), dtype);
        }
        results.push_back(tensor(nn::utils::clip_grad_norm_(parameters, 100), kFloat64));
        optimizer.step();
      }
      for (const Tensor& p : parameters) {
        results.push_back(p.detach());
      }
      return results;
    });
  }
}

}  // namespace

TEST_CASE("cuts: mlp", "[nn]") {
  const auto make = [] { return nn::MLP(784, 1024, 1024, 10); };
  check_training(make, {128, 784});
  check_training(make, {16, 784}, kBFloat16);
}

TEST_CASE("cuts: towers8", "[nn]") { check_training(test::towers8, {32, 256}); }

TEST_CASE("cuts: lenet", "[nn]") {
  const auto make = [] { return nn::LeNet(); };
  check_training(make, {64, 1, 28, 28});
  check_training(make, {3, 1, 28, 28}, kFloat64);
  check_training(make, {16, 1, 28, 28}, kBFloat16);
}

TEST_CASE("cuts: inception", "[nn]") {
  check_training([] { return nn::InceptionNet(); }, {16, 3, 32, 32});
}

TEST_CASE("cuts: resnet18_small", "[nn]") {
  const auto make = [] { return nn::ResNet18(10, 8); };
  check_training(make, {4, 3, 32, 32});
  check_training(make, {16, 3, 32, 32}, kBFloat16);
}

TEST_CASE("cuts: resnet18 of a fourth of the channels", "[nn]") {
  check_training([] { return nn::ResNet18(10, 16); }, {16, 3, 32, 32});
}

TEST_CASE("cuts: resnet18", "[nn][slow]") {
  check_training([] { return nn::ResNet18(); }, {32, 3, 32, 32});
}

TEST_CASE("cuts: branches8", "[nn]") { check_bits(branches8); }

TEST_CASE("cuts: evaluation of one input", "[nn]") {
  for (const ScalarType dtype : {kFloat32, kBFloat16}) {
    check_bits([&] {
      manual_seed(1);
      const nn::ResNet18 model;
      model->to(dtype);
      return evaluated(model, random_tensor({1, 3, 32, 32}, "x", dtype));
    });
  }
  check_bits([] {
    manual_seed(1);
    return evaluated(nn::MLP(784, 1024, 1024, 10), random_tensor({1, 784}, "x"));
  });
}

TEST_CASE("cuts: a network of an embedding, normalizations and dropout", "[nn]") {
  const Tensor words = randint(0, 500, {64, 33}, Generator(5));
  check_bits([&] {
    manual_seed(1);
    const nn::Embedding embedding(500, 96);
    nn::Sequential layers(nn::LayerNorm(nn::LayerNormOptions({96})), nn::Linear(96, 192), nn::GELU(), nn::Dropout(0.1),
                          nn::Linear(192, 96), nn::LogSoftmax(nn::LogSoftmaxOptions(-1)));
    Tensors parameters = embedding->parameters();
    for (const Tensor& p : layers->parameters()) {
      parameters.push_back(p);
    }
    optim::AdamW optimizer(parameters, optim::AdamWOptions(0.01));
    Tensors results;
    for (int step = 0; step < 2; ++step) {
      optimizer.zero_grad();
      const Tensor loss = layers(embedding(words)).pow(2).mean();
      loss.backward();
      optimizer.step();
      results.push_back(loss.detach());
    }
    for (const Tensor& p : parameters) {
      results.push_back(p.grad());
      results.push_back(p.detach());
    }
    return results;
  });
}

TEST_CASE("cuts: updates of parameters", "[nn]") {
  using namespace optim;
  check_updates<SGD>("sgd", SGDOptions(0.1));
  check_updates<SGD>("sgd, nesterov", SGDOptions(0.1).momentum(0.9).nesterov(true).weight_decay(0.01));
  check_updates<Adam>("adam, amsgrad", AdamOptions(0.05).weight_decay(0.01).amsgrad(true));
  check_updates<AdamW>("adamw", AdamWOptions(0.05).weight_decay(0.1));
  check_updates<RMSprop>("rmsprop", RMSpropOptions(0.05).momentum(0.5).centered(true).weight_decay(0.01));
  check_updates<Adagrad>("adagrad", AdagradOptions(0.1).lr_decay(0.1));
}

TEST_CASE("cuts: random graphs", "[nn]") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    for (const std::int64_t size : {3, 40, 130}) {
      INFO("seed " << seed << ", size " << size);
      check_bits([&] {
        const test::Graph graph = test::random_graph(seed, 120, size);
        graph.root.backward();
        Tensors results = {graph.root.detach()};
        for (const Tensor& leaf : graph.leaves) {
          results.push_back(leaf.grad());
        }
        return results;
      });
    }
  }
}
