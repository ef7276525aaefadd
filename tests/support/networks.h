#pragma once

// Networks that tests train, and how.

#include <cmath>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>

namespace backflow::test {

/// Eight perceptrons side by side, on 256 numbers.
inline nn::Sequential towers8() {
  nn::Branches towers;
  for (int i = 0; i < 8; ++i) {
    towers->push_back(
        nn::Sequential(nn::Linear(256, 256), nn::ReLU(), nn::Linear(256, 256), nn::ReLU(), nn::Linear(256, 256)));
  }
  return nn::Sequential(towers, nn::Linear(256, 10));
}

/// Two steps with classes from 0 to 9: the losses, and every parameter with its last gradient.
template <class Model>
std::vector<Tensor> trained(const Model& model, const Tensor& x) {
  const Tensor t = randint(0, 10, {x.size(0)}, Generator(3));
  optim::SGD optimizer(model->parameters(), optim::SGDOptions(0.01).momentum(0.9));
  std::vector<Tensor> results;
  for (int step = 0; step < 2; ++step) {
    optimizer.zero_grad();
    const Tensor loss = nn::functional::cross_entropy(model(x), t);
    loss.backward();
    optimizer.step();
    results.push_back(loss.detach());
  }
  for (const Tensor& p : model->parameters()) {
    results.push_back(p.grad());
    results.push_back(p.detach());
  }
  return results;
}

inline void check_is_finite(const std::vector<Tensor>& tensors) {
  for (const Tensor& x : tensors) {
    REQUIRE((!x.defined() || std::isfinite((x * x).sum().item<double>())));
  }
}

}  // namespace backflow::test
