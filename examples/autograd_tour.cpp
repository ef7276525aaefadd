// A tour of autograd in thirteen small programs. autograd_tour.py is the same tour in PyTorch, and prints the same.
#include <cstdio>
#include <iostream>
#include <type_traits>

#include <backflow/backflow.h>

namespace torch = backflow;

/// Python's print.
template <class... Parts>
void print(const Parts&... parts) {
  const char* separator = "";
  const auto one = [&](const auto& part) {
    std::cout << separator;
    separator = " ";
    if constexpr (std::is_same_v<std::decay_t<decltype(part)>, bool>) {
      std::cout << (part ? "True" : "False");
    } else {
      std::cout << part;
    }
  };
  (one(parts), ...);
  std::cout << "\n";
}

void scalar_gradient() {
  print("# The derivative of x^2 + 3x + 1");
  auto x = torch::tensor(2.0, torch::requires_grad());
  auto y = x.pow(2) + 3 * x + 1;
  y.backward();
  print("y =", y);
  print("dy/dx = 2x + 3 =", x.grad());
}

void vector_gradient() {
  print("\n# A result with several elements: backward takes the gradient with respect to it");
  auto x = torch::tensor({1.0, 2.0, 3.0}, torch::requires_grad());
  auto y = x * x;
  y.backward(torch::ones({3}));
  print("y =", y);
  print("x.grad =", x.grad());
}

void several_scalar_outputs() {
  print("\n# Two numbers made from one: their gradients are added, or asked for one by one");
  auto x = torch::tensor(3.0, torch::requires_grad());
  auto square = x.pow(2);
  auto cube = x.pow(3);
  torch::autograd::backward({square, cube}, {}, /*retain_graph=*/true);
  print("x.grad = 2x + 3x^2 =", x.grad());
  print("2x =", torch::autograd::grad({square}, {x})[0]);
  print("3x^2 =", torch::autograd::grad({cube}, {x})[0]);
}

void several_vector_outputs() {
  print("\n# Two vectors made from one, each weighted with a vector");
  auto x = torch::tensor({1.0, 2.0}, torch::requires_grad());
  auto twice = 2 * x;
  auto square = x * x;
  torch::autograd::backward({twice, square}, {torch::tensor({1.0, 0.1}), torch::tensor({10.0, 1.0})});
  print("x.grad =", x.grad());  // {1 * 2 + 10 * 2x, 0.1 * 2 + 1 * 2x}
}

void diamond() {
  print("\n# A diamond: a and b reach z on two ways, whose gradients are added");
  auto a = torch::tensor(2.0, torch::requires_grad());
  auto b = torch::tensor(3.0, torch::requires_grad());
  auto x = 2 * a + 3 * b;
  auto y = 5 * a.pow(2) + 3 * b.pow(3);
  auto z = 2 * x + 3 * y;
  z.backward();
  print("z =", z);
  print("dz/da = 2 * 2 + 3 * 10a =", a.grad());
  print("dz/db = 2 * 3 + 3 * 9b^2 =", b.grad());
}

void mean_of_squares() {
  print("\n# Tensors know which operation made them");
  auto a = torch::ones({2, 2}, torch::requires_grad());
  auto b = a + 5;
  auto c = b * b * 2;
  auto out = c.mean();
  print(a);
  print(b);
  print(c);
  print(out);
  out.backward();
  print(a.grad());  // 1/4 * 4b = 6
}

void leaves() {
  print("\n# Leaves are where the tape ends");
  auto data = torch::ones({2});
  auto w = torch::ones({2}, torch::requires_grad());
  auto y = w.exp();
  auto z = (y * data).sum();
  print("data:", data.is_leaf(), data.requires_grad());
  print("w:", w.is_leaf(), w.requires_grad());
  print("y:", y.is_leaf(), y.requires_grad(), y.grad_fn()->name());
  print("z:", z.is_leaf(), z.requires_grad(), z.grad_fn()->name());
}

void detach() {
  print("\n# detach: the same numbers, off the tape");
  auto x = torch::tensor({1.0, 2.0}, torch::requires_grad());
  auto d = x.detach();
  print(d, d.requires_grad());
  auto y = (x * x.detach()).sum();  // the second factor counts as a constant
  y.backward();
  print("x.grad =", x.grad());
  d.zero_();
  print("x =", x);
}

void no_grad() {
  print("\n# Nothing is recorded while a NoGradGuard lives");
  auto x = torch::ones({2}, torch::requires_grad());
  {
    torch::NoGradGuard guard;
    print(x * 2);
  }
  print(x * 2);
}

void accumulation() {
  print("\n# Gradients accumulate until they are cleared");
  auto x = torch::tensor(2.0, torch::requires_grad());
  for (int i = 0; i < 3; ++i) {
    x.pow(2).backward();
    print("x.grad =", x.grad());
  }
  x.mutable_grad().zero_();
  x.pow(2).backward();
  print("x.grad =", x.grad());
}

void minimum() {
  print("\n# The minimum of x^4 - 3x^3 + 2, which is at 9/4, in 100 steps of gradient descent");
  auto x = torch::tensor(1.0, torch::requires_grad());
  for (int step = 1; step <= 100; ++step) {
    auto y = x.pow(4) - 3 * x.pow(3) + 2;
    y.backward();
    torch::NoGradGuard no_grad;
    x -= 0.01 * x.grad();
    x.mutable_grad().zero_();
    if (step % 20 == 0) {
      std::printf("step %3d: x = %.4f, y = %.4f\n", step, x.item<double>(), y.item<double>());
    }
  }
}

void sgd() {
  print("\n# One step of SGD on x + y^2 + z^3");
  auto x = torch::tensor(1.0, torch::requires_grad());
  auto y = torch::tensor(2.0, torch::requires_grad());
  auto z = torch::tensor(3.0, torch::requires_grad());
  torch::optim::SGD optimizer({x, y, z}, torch::optim::SGDOptions(0.1));
  auto f = x + y.pow(2) + z.pow(3);
  optimizer.zero_grad();
  f.backward();
  optimizer.step();
  print("f =", f);
  print("gradients:", x.grad(), y.grad(), z.grad());
  print("x =", x);
  print("y =", y);
  print("z =", z);
}

void coefficients() {
  print("\n# Gradients of ax^2 + bx + c with respect to everything in it");
  auto a = torch::tensor(1.0, torch::requires_grad());
  auto b = torch::tensor(-2.0, torch::requires_grad());
  auto c = torch::tensor(1.0, torch::requires_grad());
  auto x = torch::tensor(0.5, torch::requires_grad());
  auto y = a * x.pow(2) + b * x + c;
  const auto gradients = torch::autograd::grad({y}, {a, b, c, x});
  print("y =", y);
  print("dy/da = x^2 =", gradients[0]);
  print("dy/db = x =", gradients[1]);
  print("dy/dc = 1 =", gradients[2]);
  print("dy/dx = 2ax + b =", gradients[3]);
}

int main() {
  scalar_gradient();
  vector_gradient();
  several_scalar_outputs();
  several_vector_outputs();
  diamond();
  mean_of_squares();
  leaves();
  detach();
  no_grad();
  accumulation();
  minimum();
  sgd();
  coefficients();
}
