// Convolutions: functions, modules and their gradients.
#include <backflow/tests/compat/torch_api.h>

namespace F = torch::nn::functional;
namespace nn = torch::nn;

namespace {

torch::Tensor input(std::initializer_list<std::int64_t> sizes) {
  std::int64_t n = 1;
  for (auto size : sizes) {
    n *= size;
  }
  auto numbers = torch::arange(n, torch::kFloat32);
  return torch::floor(torch::sin(numbers * 1.7) * 4).reshape(sizes);
}

/// Gives a module whole numbers for weights, so that its results are exact.
template <class M>
void settle(M& module) {
  torch::NoGradGuard guard;
  for (auto& parameter : module->parameters()) {
    auto numbers = torch::arange(parameter.numel(), torch::kFloat32).reshape(parameter.sizes());
    parameter.copy_(torch::floor(torch::cos(numbers) * 3));
  }
}

template <class M>
void run(const char* name, M module, torch::Tensor x) {
  settle(module);
  x.set_requires_grad(true);
  auto y = module(x);
  show(name, y);
  (y * y).sum().backward();
  show("dx", x.grad());
  for (const auto& pair : module->named_parameters()) {
    std::printf("%s ", pair.key().c_str());
    show("grad", pair.value().grad());
  }
}

}  // namespace

int main() {
  run("conv1d", nn::Conv1d(nn::Conv1dOptions(2, 3, 3).stride(2).padding(1)), input({2, 2, 7}));
  run("conv2d", nn::Conv2d(nn::Conv2dOptions(2, 3, {3, 2}).padding({1, 0}).dilation({1, 2}).bias(false)),
      input({1, 2, 4, 5}));
  run("same", nn::Conv2d(nn::Conv2dOptions(1, 2, {2, 4}).padding(torch::kSame)), input({1, 1, 3, 5}));
  run("reflect", nn::Conv2d(nn::Conv2dOptions(1, 2, 3).padding(1).padding_mode(torch::kReflect)), input({1, 1, 4, 3}));
  run("circular", nn::Conv1d(nn::Conv1dOptions(2, 2, 3).padding(1).groups(2).padding_mode(torch::kCircular)),
      input({1, 2, 4}));
  run("conv3d", nn::Conv3d(nn::Conv3dOptions(1, 2, 2)), input({1, 1, 3, 2, 3}));
  run("transposed", nn::ConvTranspose2d(nn::ConvTranspose2dOptions(2, 3, 3).stride(2).padding(1).output_padding(1)),
      input({1, 2, 3, 2}));
  run("transposed 1d", nn::ConvTranspose1d(nn::ConvTranspose1dOptions(4, 2, 2).groups(2).bias(false)),
      input({1, 4, 3}));

  auto x = input({2, 3, 5, 5});
  auto w = input({4, 3, 3, 3});
  show("F::conv2d", F::conv2d(x, w, F::Conv2dFuncOptions().bias(input({4})).stride(2).padding(torch::kValid)));
  show("torch::conv2d", torch::conv2d(x, w, {}, /*stride=*/{2, 1}, /*padding=*/1));
  show("unbatched", torch::conv2d(x[0], w));
  show("F::conv_transpose2d", F::conv_transpose2d(x, input({3, 2, 2, 2}), F::ConvTranspose2dFuncOptions().stride(2)));
  return 0;
}
