// Weights of convolutions are kept as convolutions read them, once a fused update has seen such a gradient.
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/ops/kernel_counts.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

namespace nn = backflow::nn;
namespace optim = backflow::optim;
using backflow::NoGradGuard;
using backflow::Tensor;
using backflow::test::bitwise_equal;
using MakeOptimizer = std::function<std::unique_ptr<optim::Optimizer>(std::vector<Tensor>)>;

namespace {

/// Three convolutions of 16, 32 and 48 channels: in no case does their least common block fill all.
struct Network {
  nn::Sequential layers{nn::Conv2d(nn::Conv2dOptions(16, 32, 3).padding(1)), nn::ReLU(),
                        nn::Conv2d(nn::Conv2dOptions(32, 48, 3).stride(2).bias(false)), nn::ReLU(),
                        nn::Conv2d(nn::Conv2dOptions(48, 16, 1))};
  Tensor x;

  Network() {
    backflow::manual_seed(3);
    for (const Tensor& p : layers->parameters()) {
      const NoGradGuard no_grad;
      p.uniform_(-0.1, 0.1);
    }
    x = backflow::randn({4, 16, 12, 12});
  }
  void backward() const { layers->forward(x).square().mean().backward(); }
  Tensor weight(std::size_t layer) const { return layers->parameters()[layer == 0 ? 0 : layer + 1]; }
};

template <class F>
std::int64_t packs_of(const F& body) {
  const std::int64_t before = backflow::kernel_counts().weight_reorders;
  body();
  return backflow::kernel_counts().weight_reorders - before;
}

void train(const Network& network, optim::Optimizer& optimizer, int steps) {
  for (int i = 0; i < steps; ++i) {
    optimizer.zero_grad();
    network.backward();
    optimizer.step();
  }
}

/// Nobody moves the elements of a tensor whose address is known.
void pin(const Network& network) {
  for (const Tensor& p : network.layers->parameters()) {
    p.data_ptr();
  }
}

}  // namespace

TEST_CASE("kept weights: updates are those of row-major weights, bit for bit", "[nn]") {
  const auto [name, make] = GENERATE(table<std::string, MakeOptimizer>({
      {"SGD", [](std::vector<Tensor> p) { return std::make_unique<optim::SGD>(std::move(p), optim::SGDOptions(0.1)); }},
      {"SGD with momentum",
       [](std::vector<Tensor> p) {
         return std::make_unique<optim::SGD>(std::move(p), optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.01));
       }},
      {"Adam", [](std::vector<Tensor> p) { return std::make_unique<optim::Adam>(std::move(p)); }},
      {"AdamW",
       [](std::vector<Tensor> p) {
         return std::make_unique<optim::AdamW>(std::move(p), optim::AdamWOptions().amsgrad(true));
       }},
      {"RMSprop",
       [](std::vector<Tensor> p) {
         return std::make_unique<optim::RMSprop>(std::move(p), optim::RMSpropOptions().centered(true).momentum(0.5));
       }},
      {"Adagrad",
       [](std::vector<Tensor> p) {
         return std::make_unique<optim::Adagrad>(std::move(p), optim::AdagradOptions().initial_accumulator_value(0.5));
       }},
  }));
  INFO(name);
  const Network kept;
  const Network pinned;
  pin(pinned);
  const auto a = make(kept.layers->parameters());
  const auto b = make(pinned.layers->parameters());
  train(kept, *a, 4);
  train(pinned, *b, 4);
  for (std::size_t i = 0; i < kept.layers->parameters().size(); ++i) {
    INFO("parameter " << i);
    CHECK(bitwise_equal(kept.layers->parameters()[i], pinned.layers->parameters()[i]));
  }
  // Both have been looked at, so both go on from row-major elements.
  train(kept, *a, 2);
  train(pinned, *b, 2);
  CHECK(bitwise_equal(kept.weight(1), pinned.weight(1)));
}

TEST_CASE("kept weights: a step packs them for the gradients of what is between convolutions alone", "[nn]") {
  const Network network;
  optim::SGD sgd(network.layers->parameters(), optim::SGDOptions(0.1).momentum(0.9));
  train(network, sgd, 3);
  // Where oneDNN reads the weights of one kernel in another form than it writes their gradient: one more.
  CHECK(packs_of([&] { network.layers->forward(network.x); }) <= 1);
  CHECK(packs_of([&] { train(network, sgd, 1); }) <= 3);
  CHECK(packs_of([&] { train(network, sgd, 5); }) <= 15);
}

TEST_CASE("kept weights: everybody sees row-major elements", "[nn]") {
  const Network network;
  optim::SGD sgd(network.layers->parameters(), optim::SGDOptions(0.1));
  train(network, sgd, 2);
  const Tensor w = network.weight(1);
  const std::uint32_t version = w._version();
  const Tensor before = [&] {
    const NoGradGuard no_grad;
    return w.clone();
  }();
  SECTION("the version counts on") {
    train(network, sgd, 1);
    CHECK(w._version() == version + 1);
  }
  SECTION("views") {
    const NoGradGuard no_grad;
    const Tensor flat = w.view({-1});
    CHECK(bitwise_equal(flat, before.flatten()));
    CHECK(bitwise_equal(w.transpose(0, 1).contiguous(), before.transpose(0, 1).contiguous()));
    CHECK(w.index({3, 5, 1, 2}).item<float>() == before.index({3, 5, 1, 2}).item<float>());
  }
  SECTION("the address") {
    const float* const data = w.data_ptr<float>();
    CHECK(data[7] == before.flatten()[7].item<float>());
    train(network, sgd, 2);
    CHECK(w.data_ptr<float>() == data);
    CHECK(data[7] != before.flatten()[7].item<float>());
  }
  SECTION("an alias sees the next updates") {
    const Tensor alias = w.detach();
    const Tensor data = network.weight(0).data();
    train(network, sgd, 2);
    CHECK(bitwise_equal(alias, w.detach()));
    CHECK(!bitwise_equal(alias, before));
    CHECK(bitwise_equal(data, network.weight(0).detach()));
  }
  SECTION("in-place changes are seen by the next forward") {
    {
      const NoGradGuard no_grad;
      for (const Tensor& p : network.layers->parameters()) {
        p.zero_();
      }
    }
    CHECK(network.layers->forward(network.x).abs().max().item<float>() == 0);
  }
  SECTION("the gradient") {
    sgd.zero_grad();
    network.backward();
    const Tensor gradient = w.grad().clone();
    sgd.zero_grad();
    network.backward();
    network.backward();
    CHECK(bitwise_equal(w.grad(), gradient + gradient));
    CHECK(w.grad().dim() == 4);
    CHECK(std::isfinite(w.grad().view({-1})[5].item<float>()));
  }
}

TEST_CASE("kept weights: what was saved before an update still says that it has changed", "[nn]") {
  const Network network;
  optim::SGD sgd(network.layers->parameters(), optim::SGDOptions(0.1));
  train(network, sgd, 2);
  const Tensor loss = network.layers->forward(network.x).mean();
  loss.backward({}, /*retain_graph=*/true);
  sgd.step();
  CHECK_THROWS_AS(loss.backward(), backflow::Error);
}

TEST_CASE("kept weights: transposed convolutions and convolutions of 1 and 3 dimensions", "[nn]") {
  const auto check = [](auto make, const backflow::DimVector& sizes) {
    const Tensor x = backflow::randn(sizes);
    std::vector<Tensor> weights;
    for (const bool is_pinned : {false, true}) {
      backflow::manual_seed(5);
      const auto layer = make();
      optim::SGD sgd(layer->parameters(), optim::SGDOptions(0.1).momentum(0.9));
      if (is_pinned) {
        layer->weight.data_ptr();
      }
      for (int i = 0; i < 3; ++i) {
        sgd.zero_grad();
        layer(x).square().mean().backward();
        sgd.step();
      }
      weights.push_back(layer->weight);
    }
    CHECK(bitwise_equal(weights[0], weights[1]));
  };
  check([] { return nn::Conv1d(nn::Conv1dOptions(32, 16, 3)); }, {3, 32, 50});
  check([] { return nn::Conv3d(nn::Conv3dOptions(16, 32, 2)); }, {2, 16, 5, 6, 7});
  check([] { return nn::ConvTranspose2d(nn::ConvTranspose2dOptions(32, 16, 3).stride(2)); }, {2, 32, 6, 5});
  check([] { return nn::Conv2d(nn::Conv2dOptions(32, 64, 3).groups(2)); }, {2, 32, 9, 8});
  check([] { return nn::Conv2d(nn::Conv2dOptions(3, 17, 3)); }, {2, 3, 9, 8});
}
