// torch::nn::functional, initializers, and modules put together.
#include <backflow/tests/compat/torch_api.h>

namespace F = torch::nn::functional;
namespace nn = torch::nn;

int main() {
  auto x = torch::tensor({{-1.0, 0.5, 2.0}, {0.25, -0.75, 1.5}}, torch::requires_grad());
  auto classes = torch::tensor({2, 0}, torch::kLong);
  show("relu", F::relu(x));
  show("log_softmax", F::log_softmax(x, F::LogSoftmaxFuncOptions(1)));
  show("cross_entropy", F::cross_entropy(x, classes));
  show("cross_entropy, summed", F::cross_entropy(x, classes, F::CrossEntropyFuncOptions().reduction(torch::kSum)));
  show("nll_loss, by row", F::nll_loss(F::log_softmax(x, 1), classes, F::NLLLossFuncOptions().reduction(torch::kNone)));
  show("mse_loss", F::mse_loss(x, torch::zeros({2, 3}), F::MSELossFuncOptions(torch::kSum)));

  auto weight = torch::full({2, 3}, 0.5);
  auto bias = torch::tensor({1.0, -1.0});
  show("linear", F::linear(x, weight, bias));
  show("linear without bias", F::linear(x, weight));

  nn::Sequential net(nn::Linear(3, 4), nn::Tanh(), nn::Linear(4, 2), nn::Sigmoid());
  for (auto& parameter : net->parameters()) {
    nn::init::constant_(parameter, 0.1);
  }
  auto output = net->forward(x);
  show("output", output);
  nn::MSELoss criterion;
  auto loss = criterion(output, torch::ones({2, 2}));
  loss.backward();
  show("loss", loss);
  show("x.grad", x.grad());
  for (const auto& pair : net->named_parameters()) {
    std::printf("%s ", pair.key().c_str());
    show("grad", pair.value().grad());
  }
  auto [fan_in, fan_out] = nn::init::_calculate_fan_in_and_fan_out(weight);
  std::printf("fans: %d and %d\n", static_cast<int>(fan_in), static_cast<int>(fan_out));
}
