// Pooling: torch::nn::functional, modules and their options.
#include <backflow/tests/compat/torch_api.h>

namespace F = torch::nn::functional;
namespace nn = torch::nn;

namespace {

void gradient(const char* what, const torch::Tensor& y, torch::Tensor x) {
  x.mutable_grad() = torch::Tensor();
  (y * y).sum().backward();
  show(what, x.grad());
}

}  // namespace

int main() {
  auto x = torch::arange(2 * 30, torch::kFloat).mul(0.7).sin().reshape({1, 2, 5, 6}).set_requires_grad(true);
  auto line = torch::arange(18, torch::kFloat).cos().reshape({1, 2, 9});
  auto volume = torch::arange(48, torch::kFloat).mul(1.3).cos().reshape({1, 1, 3, 4, 4});

  auto y = F::max_pool2d(x, F::MaxPool2dFuncOptions(2));
  show("max_pool2d", y);
  std::printf("%s\n", y.grad_fn()->name().c_str());
  gradient("its gradient", y, x);
  y = F::max_pool2d(x, F::MaxPool2dFuncOptions({3, 2}).stride({2, 1}).padding(1).dilation({1, 2}).ceil_mode(true));
  show("max_pool2d with options", y);
  gradient("its gradient", y, x);
  auto [values, indices] = F::max_pool2d_with_indices(x, F::MaxPool2dFuncOptions(3).stride(2).padding(1));
  show("values", values);
  show("indices", indices);

  y = F::avg_pool2d(x, F::AvgPool2dFuncOptions(3).stride(2).padding(1).count_include_pad(false));
  show("avg_pool2d", y);
  std::printf("%s\n", y.grad_fn()->name().c_str());
  gradient("its gradient", y, x);
  show("avg_pool2d with a divisor", F::avg_pool2d(x, F::AvgPool2dFuncOptions({2, 3}).divisor_override(5)));
  show("avg_pool1d", F::avg_pool1d(line, F::AvgPool1dFuncOptions(3).stride(2).padding(1)));
  show("max_pool1d", F::max_pool1d(line, F::MaxPool1dFuncOptions(3).stride(2)));
  show("max_pool3d", F::max_pool3d(volume, F::MaxPool3dFuncOptions({2, 3, 2}).stride(1)));
  show("avg_pool3d", F::avg_pool3d(volume, F::AvgPool3dFuncOptions(2).ceil_mode(true)));

  y = F::adaptive_avg_pool2d(x, F::AdaptiveAvgPool2dFuncOptions({2, 4}));
  show("adaptive_avg_pool2d", y);
  std::printf("%s\n", y.grad_fn()->name().c_str());
  gradient("its gradient", y, x);
  y = F::adaptive_avg_pool2d(x, F::AdaptiveAvgPool2dFuncOptions(1));
  show("to one number", y);
  std::printf("%s\n", y.grad_fn()->name().c_str());
  show("adaptive_max_pool2d", F::adaptive_max_pool2d(x, F::AdaptiveMaxPool2dFuncOptions({3, 2})));
  show("adaptive_max_pool1d", F::adaptive_max_pool1d(line, F::AdaptiveMaxPool1dFuncOptions(4)));
  show("its indices", std::get<1>(F::adaptive_max_pool1d_with_indices(line, F::AdaptiveMaxPool1dFuncOptions(4))));
  show("adaptive_avg_pool3d", F::adaptive_avg_pool3d(volume, F::AdaptiveAvgPool3dFuncOptions(2)));

  nn::MaxPool2d max(nn::MaxPool2dOptions(2).stride(1));
  show("MaxPool2d", max(x));
  show("forward_with_indices", std::get<1>(max->forward_with_indices(x)));
  nn::Sequential net(nn::MaxPool2d(2), nn::AdaptiveAvgPool2d(1), nn::Flatten());
  show("Sequential", net->forward(x));
  show("AvgPool1d", nn::AvgPool1d(nn::AvgPool1dOptions(2).ceil_mode(true))(line));
  show("AdaptiveMaxPool3d", nn::AdaptiveMaxPool3d(nn::AdaptiveMaxPool3dOptions({1, 2, 2}))(volume));
  throws("a padding that is too large", [&] { F::max_pool2d(x, F::MaxPool2dFuncOptions(2).padding(2)); });
  throws("a window that does not fit", [&] { F::avg_pool2d(x, F::AvgPool2dFuncOptions(7)); });
  throws("a list of a wrong length", [&] { nn::MaxPool2dOptions({1, 2, 3}); });
}
