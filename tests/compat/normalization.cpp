// Normalizations: functions, modules, their state, and gradients.
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
  return (torch::sin(numbers * 1.7) * 2 + torch::cos(numbers * 0.3)).reshape(sizes);
}

template <class M>
void show_state(M& module) {
  for (const auto& pair : module->named_parameters()) {
    std::printf("%s ", pair.key().c_str());
    show("grad", pair.value().grad());
  }
  for (const auto& pair : module->named_buffers()) {
    std::printf("%s ", pair.key().c_str());
    show("is", pair.value());
  }
}

}  // namespace

int main() {
  auto x = input({3, 4, 2, 2});
  x.set_requires_grad(true);
  auto dy = torch::cos(input({3, 4, 2, 2}));

  nn::BatchNorm2d batch(nn::BatchNorm2dOptions(4).eps(1e-3).momentum(0.3));
  auto y = batch(x);
  show("batch", y);
  (y * dy).sum().backward();
  show("x.grad", x.grad());
  show_state(batch);
  batch->eval();
  show("evaluated", batch(x));

  nn::BatchNorm1d average(nn::BatchNorm1dOptions(2).momentum(c10::nullopt).affine(false));
  average(input({3, 2}));
  average(input({4, 2}));
  show_state(average);

  x.mutable_grad() = torch::Tensor();
  nn::GroupNorm group(nn::GroupNormOptions(2, 4));
  (group(x) * dy).sum().backward();
  show("group, x.grad", x.grad());
  show_state(group);

  nn::InstanceNorm2d instance(nn::InstanceNorm2dOptions(4).affine(true).track_running_stats(true));
  show("instance", instance(x));
  instance->eval();
  show("instance, evaluated", instance(x));
  for (const auto& pair : instance->named_buffers()) {
    std::printf("%s ", pair.key().c_str());
    show("is", pair.value());
  }
  show("one sample", nn::InstanceNorm1d(2)(input({2, 5})));

  nn::LayerNorm layer(nn::LayerNormOptions({2, 2}).eps(1e-4));
  (layer(x) * dy).sum().backward();
  show("layer, x.grad", x.grad());
  show_state(layer);

  auto w = input({4});
  auto mean = torch::zeros({4});
  auto variance = torch::ones({4});
  show("F::batch_norm", F::batch_norm(x, mean, variance, F::BatchNormFuncOptions().weight(w).bias(w).training(true)));
  show("mean", mean);
  show("variance", variance);
  show("F::layer_norm", F::layer_norm(x, F::LayerNormFuncOptions({2}).eps(0.5)));
  show("F::group_norm", F::group_norm(x, F::GroupNormFuncOptions(4).weight(w)));
  show("F::instance_norm", F::instance_norm(x, F::InstanceNormFuncOptions().bias(w)));

  throws("batch norm of one value", [] { nn::BatchNorm1d(2)(torch::ones({1, 2})); });
  throws("batch norm of other channels", [] { nn::BatchNorm1d(3)(torch::ones({4, 2})); });
  throws("batch norm of other dimensions", [] { nn::BatchNorm2d(2)(torch::ones({4, 2})); });
  throws("groups that do not divide", [] { F::group_norm(torch::ones({2, 4}), F::GroupNormFuncOptions(3)); });
  throws("layer norm of another shape", [] { F::layer_norm(torch::ones({2, 4}), F::LayerNormFuncOptions({3})); });
}
