// Trains one model on all ranks: scripts/mpirun.sh -n 2 build/release/bin/data_parallel
#include <algorithm>
#include <iostream>

#include <backflow/backflow.h>
namespace torch = backflow;

int main() {
  const auto world = torch::distributed::Communicator::world();  // without mpirun a world of one rank
  torch::nn::Sequential model(torch::nn::Linear(1, 16), torch::nn::Tanh(), torch::nn::Linear(16, 1));
  torch::distributed::DataParallel parallel(model->parameters(), world);  // all ranks start like rank 0
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.1).momentum(0.9));
  torch::distributed::TrainingStep step(parallel, optimizer);

  const auto x = torch::linspace(-1, 1, 64).view({64, 1}), y = torch::sin(3 * x);
  const auto mine = [&](const torch::Tensor& t) { return t.slice(0, world->rank(), 64, world->size()); };
  const auto loss = [&] { return torch::mse_loss(model(x), y).item<double>(); };
  const double first_loss = loss();
  for (int i = 0; i < 300; ++i) {
    const auto error = model(mine(x)) - mine(y);
    step.backward((error * error).sum() / 64);  // gradients, their sum over the ranks, the update
  }

  std::string bits;
  for (const auto& p : model->parameters()) {
    bits.append(reinterpret_cast<const char*>(p.const_data_ptr<float>()), p.nbytes());
  }
  const bool same = std::ranges::count(world->all_gather(bits), bits) == world->size();
  const bool good = same && loss() < first_loss / 10;
  if (world->rank() == 0) {
    std::cout << (good ? "the loss fell, all ranks have the same parameters" : "FAILED") << "\n";
  }
  return good ? 0 : 1;
}
