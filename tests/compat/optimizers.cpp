// Optimizers: groups with options of their own, changing the learning rate, a closure.
#include <backflow/tests/compat/torch_api.h>

int main() {
  auto x = torch::tensor({1.0, -2.0}, torch::requires_grad());
  auto y = torch::tensor({3.0}, torch::requires_grad());
  auto loss = [&] { return (x * x).sum() + (y - 1).pow(2).sum(); };

  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<torch::Tensor>{x});
  groups.emplace_back(std::vector<torch::Tensor>{y},
                      std::make_unique<torch::optim::SGDOptions>(torch::optim::SGDOptions(0.05).weight_decay(0.1)));
  torch::optim::SGD optimizer(groups, torch::optim::SGDOptions(0.1).momentum(0.9).nesterov(true));

  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    loss().backward();
    optimizer.step();
    show("x", x);
    show("y", y);
  }

  for (auto& group : optimizer.param_groups()) {
    auto& options = static_cast<torch::optim::SGDOptions&>(group.options());
    options.lr(options.lr() / 10);
    std::printf("lr %.4f, momentum %.1f, weight decay %.1f\n", options.lr(), options.momentum(),
                options.weight_decay());
  }

  auto value = optimizer.step([&] {
    optimizer.zero_grad();
    auto l = loss();
    l.backward();
    return l;
  });
  show("loss before the step", value);
  show("x", x);
  show("y", y);

  auto z = torch::zeros({1}, torch::requires_grad());
  optimizer.add_param_group(std::vector<torch::Tensor>{z});
  optimizer.zero_grad();
  (z + 1).pow(2).backward();
  optimizer.step();
  show("z", z);
}
