// Fits y = w x + b to three points by gradient descent, with nothing but tensors and their gradients.
#include <cstdio>

#include <backflow/backflow.h>

namespace torch = backflow;

int main() {
  const auto x = torch::tensor({1.0, 2.0, 3.0});
  const auto y = torch::tensor({2.0, 4.0, 6.0});
  auto w = torch::zeros({1}, torch::requires_grad());
  auto b = torch::zeros({1}, torch::requires_grad());

  for (int epoch = 0; epoch <= 200; ++epoch) {
    const auto loss = torch::mse_loss(x * w + b, y);
    loss.backward();
    if (epoch % 40 == 0) {
      std::printf("epoch %3d: loss %.3f\n", epoch, loss.item<double>());
    }
    const torch::NoGradGuard no_grad;  // the updates are not part of what is differentiated
    w -= w.grad() * 0.1;
    b -= b.grad() * 0.1;
    w.mutable_grad().zero_();
    b.mutable_grad().zero_();
  }
  std::printf("y = %.2f x + %.2f\n", w.item<double>(), b.item<double>());
}
