// A training loop with a module of the program's own. The weights are set, since random numbers differ.
#include <cmath>

#include <backflow/tests/compat/torch_api.h>

struct NetImpl : torch::nn::Module {
  NetImpl(int64_t inputs, int64_t hidden, int64_t classes)
      : fc1(register_module("fc1", torch::nn::Linear(inputs, hidden))),
        fc2(register_module("fc2", torch::nn::Linear(torch::nn::LinearOptions(hidden, classes).bias(true)))) {
    scale = register_parameter("scale", torch::ones({1}));
  }

  torch::Tensor forward(torch::Tensor x) {
    x = torch::tanh(fc1->forward(x));
    x = fc2(x) * scale;
    return torch::log_softmax(x, /*dim=*/1);
  }

  torch::nn::Linear fc1, fc2;
  torch::Tensor scale;
};
TORCH_MODULE(Net);

void set_weights(Net& net) {
  torch::NoGradGuard no_grad;
  double angle = 0;
  for (auto& parameter : net->parameters()) {
    auto* values = parameter.data_ptr<float>();
    for (int64_t i = 0; i < parameter.numel(); ++i) {
      values[i] = static_cast<float>(std::sin(++angle));
    }
  }
}

int main() {
  Net net(2, 8, 2);
  set_weights(net);
  for (const auto& pair : net->named_parameters()) {
    std::printf("%s: %d elements\n", pair.key().c_str(), static_cast<int>(pair.value().numel()));
  }

  auto data = torch::tensor({{0.0, 0.0}, {0.0, 1.0}, {1.0, 0.0}, {1.0, 1.0}});
  auto target = torch::tensor({0, 1, 1, 0}, torch::kLong);
  torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(/*lr=*/0.2).momentum(0.5));

  net->train();
  for (int epoch = 0; epoch <= 200; ++epoch) {
    optimizer.zero_grad();
    torch::Tensor prediction = net->forward(data);
    torch::Tensor loss = torch::nll_loss(prediction, target);
    loss.backward();
    optimizer.step();
    if (epoch % 50 == 0) {
      std::printf("epoch %d: loss %.3f\n", epoch, loss.item<float>());
    }
  }

  net->eval();
  torch::NoGradGuard no_grad;
  auto prediction = net->forward(data);
  for (int64_t i = 0; i < data.size(0); ++i) {
    const bool one = prediction[i][1].item<float>() > prediction[i][0].item<float>();
    std::printf("%.0f xor %.0f = %d\n", data[i][0].item<float>(), data[i][1].item<float>(), one);
  }
}
