// Names that only <backflow/torch.h> has: namespaces that a program can add to, at and c10, the macros.
#include <stdexcept>
#include <string>

#include <backflow/tests/compat/torch_api.h>

namespace torch {
/// An operation that the program adds to torch.
Tensor square(const Tensor& x, c10::optional<Scalar> factor) { return factor.has_value() ? x * x * *factor : x * x; }
}  // namespace torch

using namespace torch;

struct ScaleImpl : nn::Module {
  explicit ScaleImpl(double start) : weight(register_parameter("weight", torch::full({1}, start))) {}
  Tensor forward(const Tensor& x) { return x * weight; }
  Tensor weight;
};
TORCH_MODULE(Scale);

double sum_of_squares(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 1, "sum_of_squares: a vector is needed, not ", x.dim(), " dimensions");
  TORCH_INTERNAL_ASSERT(x.defined());
  return x.pow(2).sum().item<double>();
}

int64_t product(c10::IntArrayRef sizes) {
  int64_t result = 1;
  for (const int64_t size : sizes) {
    result *= size;
  }
  return result;
}

template <class Body>
void expect_error(const char* text, Body body) {
  try {
    body();
    std::printf("no error\n");
  } catch (const c10::Error& error) {
    const bool found = std::string(error.what()).find(text) != std::string::npos;
    std::printf("%s\n", found ? text : error.what());
  }
}

int main() {
  const auto x = torch::tensor({1.0, 2.0}, at::TensorOptions(at::kFloat).requires_grad(true));
  show("squares", torch::square(x, torch::nullopt));
  show("squares, scaled", torch::square(x, c10::optional<at::Scalar>(0.5)));
  std::printf("squares %.1f, product %d\n", sum_of_squares(x), static_cast<int>(product(torch::ones({2, 3}).sizes())));

  Scale scale(3.0);
  optim::SGD optimizer(scale->parameters(), optim::SGDOptions(0.01));
  scale(x).sum().backward();
  optimizer.step();
  show("weight", scale->weight);
  const torch::autograd::Variable gradient = autograd::grad({scale(x).sum()}, {x})[0];
  show("gradient", gradient);
  {
    at::NoGradGuard guard;
    std::printf("recording: %d\n", at::GradMode::is_enabled());
  }
  const c10::ScalarType type = torch::ones({1}, torch::dtype(torch::kInt64)).scalar_type();
  std::printf("long: %d\n", type == torch::kLong);

  expect_error("sum_of_squares: a vector is needed, not 2 dimensions", [] { sum_of_squares(torch::ones({1, 1})); });
  expect_error("Expected 1 + 1 == 3 to be true, but got false.", [] { TORCH_CHECK(1 + 1 == 3); });
  expect_error("INTERNAL ASSERT FAILED at", [] { TORCH_INTERNAL_ASSERT(false, "a bug"); });
}
