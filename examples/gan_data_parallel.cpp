// Two models that train each other, on all ranks: scripts/mpirun.sh -n 2 build/release/bin/gan_data_parallel
#include <algorithm>
#include <cmath>
#include <iostream>

#include <backflow/backflow.h>
namespace torch = backflow;

/// A model, trained on all ranks with an optimizer and gradient buckets of its own.
struct Player {
  torch::nn::Sequential model;
  torch::distributed::DataParallel parallel;
  torch::optim::Adam optimizer;
  torch::distributed::TrainingStep step;

  Player(const torch::nn::Sequential& layers, const std::shared_ptr<torch::distributed::Communicator>& world)
      : model(layers),
        parallel(model->parameters(), world),
        optimizer(model->parameters(), torch::optim::AdamOptions(0.003).betas({0.5, 0.9})),
        step(parallel, optimizer) {}

  void freeze(bool frozen) {
    for (const auto& p : model->parameters()) {
      p.set_requires_grad(!frozen);
    }
  }
};

int main() {
  const auto world = torch::distributed::Communicator::world();  // without mpirun a world of one rank
  torch::manual_seed(1);                                         // all ranks draw the same
  using torch::nn::Linear, torch::nn::Tanh, torch::nn::Sequential;
  Player generator(Sequential(Linear(1, 16), Tanh(), Linear(16, 1)), world);
  Player discriminator(Sequential(Linear(1, 16), Tanh(), Linear(16, 1)), world);

  const std::int64_t n = 60;  // samples of all ranks together
  const auto mine = [&](const torch::Tensor& t) { return t.slice(0, world->rank(), n, world->size()); };
  const auto loss = [&](const torch::Tensor& y, double want) { return (y - want).square().sum() / double(n); };
  for (int i = 0; i < 800; ++i) {
    const auto real = mine(torch::randn({n, 1}) * 0.5 + 3);
    const auto fake = generator.model(mine(torch::randn({n, 1})));
    discriminator.step.backward(loss(discriminator.model(real), 1) + loss(discriminator.model(fake.detach()), 0));

    discriminator.freeze(true);  // the generator's gradients flow through it, and leave none in it
    generator.step.backward(loss(discriminator.model(fake), 1));
    discriminator.freeze(false);
  }

  std::string bits;
  for (const Player* player : {&generator, &discriminator}) {
    for (const auto& p : player->parallel.parameters()) {
      bits.append(reinterpret_cast<const char*>(p.const_data_ptr<float>()), p.nbytes());
    }
  }
  const bool same = std::ranges::count(world->all_gather(bits), bits) == world->size();
  const double mean = generator.model(torch::randn({1000, 1})).mean().item<double>();
  const bool good = same && std::abs(mean - 3) < 1;
  if (world->rank() == 0) {
    std::cout << (good ? "the generator makes numbers around 3, all ranks have the same parameters" : "FAILED") << "\n";
  }
  return good ? 0 : 1;
}
