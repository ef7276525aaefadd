// What the tutorial "Autograd in C++ Frontend" shows, as far as the operators go.
#include <string>

#include <backflow/tests/compat/torch_api.h>

void basic_operations() {
  auto x = torch::ones({2, 2}, torch::requires_grad());
  auto y = x + 2;
  auto square = y * y;
  auto z = square * 3;
  auto out = z.mean();
  // Not of x + 2: with a number, libtorch says AddBackward1, where PyTorch and Backflow say AddBackward0.
  for (const auto& tensor : {square, out}) {
    std::printf("made by %s\n", std::string(tensor.grad_fn()->name()).c_str());
  }
  out.backward();
  show("out", out);
  show("x.grad", x.grad());

  auto a = torch::ones({2, 2}) * 2;
  a = ((a * 3) / (a - 1));
  std::printf("a requires a gradient: %d", a.requires_grad());
  a.requires_grad_(true);
  std::printf(", now: %d\n", a.requires_grad());
}

void vector_jacobian_product() {
  auto x = torch::tensor({0.5, -1.0, 2.0}, torch::dtype(torch::kDouble).requires_grad(true));
  auto y = x * 2;
  while ((y * y).sum().item<double>() < 1e6) {
    y = y * 2;
  }
  show("y", y);
  auto v = torch::tensor({0.1, 1.0, 0.0001}, torch::kDouble);
  y.backward(v);
  show("x.grad", x.grad());
}

void recording_off() {
  auto x = torch::ones({3}, torch::requires_grad());
  std::printf("recorded: %d", x.pow(2).requires_grad());
  {
    torch::NoGradGuard no_grad;
    std::printf(", with a guard: %d", x.pow(2).requires_grad());
    torch::AutoGradMode record(true);
    std::printf(", switched on in it: %d", x.pow(2).requires_grad());
  }
  auto y = x.detach();
  std::printf(", detached: %d, the same memory: %d\n", y.requires_grad(), y.data_ptr<float>() == x.data_ptr<float>());
}

void higher_order() {
  auto x = torch::tensor({0.5, 2.0}, torch::requires_grad());
  auto w = torch::tensor({{1.0, 2.0}, {3.0, -1.0}});
  auto output = torch::matmul(x, w).tanh().sum();
  auto gradient = torch::autograd::grad({output}, {x}, /*grad_outputs=*/{torch::ones_like(output)},
                                        /*retain_graph=*/true, /*create_graph=*/true)[0];
  auto penalty = (gradient.pow(2).sum() - 1).pow(2);
  show("gradient", gradient);
  (output + penalty).backward();
  show("x.grad", x.grad());
}

void unused_and_retained() {
  auto x = torch::tensor(3.0, torch::requires_grad());
  auto unused = torch::tensor(1.0, torch::requires_grad());
  auto y = x * x;
  torch::autograd::variable_list gradients =
      torch::autograd::grad({y}, {x, unused}, {}, /*retain_graph=*/true, /*create_graph=*/false, /*allow_unused=*/true);
  std::printf("dy/dx = %.1f, of the unused one: %s\n", gradients[0].item<double>(),
              gradients[1].defined() ? "defined" : "undefined");
  y.backward({}, /*retain_graph=*/true);
  y.backward();
  show("x.grad after two passes", x.grad());
  std::printf("the unused one's: %s\n", unused.grad().defined() ? "defined" : "undefined");
  try {
    y.backward();
  } catch (const std::exception&) {
    std::printf("a third pass: no graph\n");
  }
}

int main() {
  basic_operations();
  vector_jacobian_product();
  recording_off();
  higher_order();
  unused_and_retained();
}
