// Made the files of tests/serialize/data with libtorch 1.13.1; not built with the tests:
//
//   g++ -std=c++17 -isystem /usr/include/torch/csrc/api/include libtorch_files.cpp -ltorch -ltorch_cpu -lc10 && ./a.out
#include <torch/torch.h>

struct NetImpl : torch::nn::Module {
  NetImpl() {
    fc = register_module("fc", torch::nn::Linear(3, 2));
    norm = register_module("norm", torch::nn::BatchNorm1d(2));
    scale = register_parameter("scale", torch::full({2}, 0.5));
  }
  torch::nn::Linear fc{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
  torch::Tensor scale;
};
TORCH_MODULE(Net);

void train(Net& net, torch::optim::Optimizer& optimizer) {
  optimizer.zero_grad();
  const auto x = torch::arange(12, torch::kFloat).view({4, 3}).sin();
  const auto h = net->fc(x);
  const auto y = net->norm(h) * net->scale + h;
  (y * torch::arange(8, torch::kFloat).view({4, 2}).sin()).sum().backward();
  optimizer.step();
}

int main() {
  Net net;
  {
    torch::NoGradGuard no_grad;
    double value = 0;
    for (auto& p : net->parameters()) p.fill_(value += 0.25);
  }
  torch::optim::Adam adam(net->parameters(), torch::optim::AdamOptions(0.125).betas({0.5, 0.75}));
  train(net, adam);
  train(net, adam);
  torch::save(net, "libtorch_module.pt");
  torch::save(adam, "libtorch_adam.pt");
  torch::save(std::vector<torch::Tensor>{torch::tensor({1.5, -2.0}), torch::tensor({7})}, "libtorch_list.pt");
  train(net, adam);
  torch::save(net, "libtorch_module_after.pt");
}
