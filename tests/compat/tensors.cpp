// Tensors as a program for libtorch makes and reads them: options and devices, numbers, accessors, creation functions.
#include <sstream>
#include <string>
#include <vector>

#include <backflow/tests/compat/torch_api.h>

/// Mean and variance of a column, by its elements.
std::vector<double> column_statistics(const torch::Tensor& x, int64_t column) {
  const auto a = x.accessor<float, 2>();
  double sum = 0;
  double squares = 0;
  for (int64_t i = 0; i < a.size(0); ++i) {
    sum += a[i][column];
    squares += a[i][column] * a[i][column];
  }
  const double n = static_cast<double>(a.size(0));
  return {sum / n, squares / n - sum * sum / n / n};
}

void devices() {
  torch::Device device(torch::kCPU);
  if (torch::cuda::is_available()) {
    device = torch::Device(torch::kCUDA);
  }
  fact("the CPU",
       device == torch::kCPU && device.is_cpu() && !device.is_cuda() && device.type() == torch::DeviceType::CPU);
  std::ostringstream text;
  text << device << " " << torch::Device("cpu:0") << " " << torch::Device("cpu").str();
  std::printf("%s\n", text.str().c_str());
  fact("an index", device.has_index());
  throws("no such device", [] { torch::Device("toaster"); });
  throws("no such number", [] { torch::ones({1}).to("cuda:7"); });
  auto x = torch::ones({2, 2}, torch::device(device).dtype(torch::kDouble).requires_grad(true));
  fact("x requires a gradient", x.requires_grad());
  fact("x is on it", x.device() == device && x.is_cpu() && !x.is_cuda() && x.options().device() == device);
  fact("to is the same",
       x.to(device).is_same(x) && x.cpu().is_same(x) && x.to(torch::kCPU, /*non_blocking=*/true).is_same(x));
  fact("a copy", !x.to(torch::kDouble, false, /*copy=*/true).is_same(x));
  const auto f = x.to(device, torch::kFloat);
  fact("to float", f.dtype() == torch::kFloat && f.scalar_type() == torch::kFloat32);
  fact("by options", x.to(torch::TensorOptions().dtype(torch::kLong)).scalar_type() == torch::kInt64);
  fact("as another", x.to(f).scalar_type() == torch::kFloat && x.toType(torch::kFloat).dtype() == torch::kFloat);
  f.sum().backward();
  show("x.grad", x.grad());
  fact("in double", x.grad().dtype() == torch::kDouble);
  const auto options = torch::TensorOptions().dtype(torch::kFloat64).device(torch::kCPU).requires_grad(false);
  fact("options", options.dtype() == torch::kFloat64 && options.has_dtype() && !options.requires_grad());
  torch::nn::Linear layer(2, 3);
  layer->to(device);
  layer->to(torch::kCPU, torch::kDouble);
  fact("a layer", layer->weight.dtype() == torch::kDouble && layer->weight.device() == torch::kCPU);
  layer->to(torch::kFloat);
  fact("a layer in float", layer->bias.dtype() == torch::kFloat);
}

void numbers() {
  const auto x = torch::tensor({1.75});
  std::printf("%.2f %.2f %d %d\n", x.item().toFloat(), x.item().toDouble(), x.item().toInt(),
              static_cast<int>(x.item().toLong()));
  const torch::Scalar whole = 7;
  const torch::Scalar fraction = 0.25;
  fact("kinds", whole.isIntegral(false) && !whole.isFloatingPoint() && fraction.isFloatingPoint());
  std::printf("%d %.2f %.0f\n", whole.to<int>(), fraction.to<double>(), whole.toDouble());
  show("numbers", torch::ones({2}) * whole + fraction);
}

void accessors() {
  auto x = torch::arange(12, torch::kFloat).view({4, 3});
  const auto statistics = column_statistics(x, 1);
  std::printf("mean %.3f, variance %.3f\n", statistics[0], statistics[1]);
  auto t = x.t();
  auto a = t.accessor<float, 2>();
  a[0][3] = 100;
  a[2][0] += 0.5F;
  show("x", x);
  auto row = a[1];
  std::printf("row: size %d, stride %d, last %.1f\n", static_cast<int>(row.size(0)), static_cast<int>(row.stride(0)),
              row[3]);
  auto cube = torch::zeros({2, 3, 2}, torch::kLong);
  auto c = cube.accessor<int64_t, 3>();
  for (int64_t i = 0; i < c.size(0); ++i) {
    for (int64_t j = 0; j < c.size(1); ++j) {
      for (int64_t k = 0; k < c.size(2); ++k) {
        c[i][j][k] = 100 * i + 10 * j + k;
      }
    }
  }
  show("cube", cube);
  std::printf("sizes %d %d, strides %d %d\n", static_cast<int>(c.sizes()[1]), static_cast<int>(c.sizes()[2]),
              static_cast<int>(c.strides()[0]), static_cast<int>(c.strides()[1]));
  throws("another number of dimensions", [&] { x.accessor<float, 3>(); });
  throws("another dtype", [&] { x.accessor<double, 2>(); });
}

void creation() {
  show("arange", torch::arange(5));
  fact("integers", torch::arange(5).dtype() == torch::kLong && torch::arange(0, 5, 2).dtype() == torch::kLong);
  fact("fractions", torch::arange(5.0).dtype() == torch::kFloat && torch::arange(0, 1, 0.25).dtype() == torch::kFloat);
  show("by steps", torch::arange(1, 2.1, 0.25));
  show("downwards", torch::arange(5, -3, -3));
  show("in double", torch::arange(3, torch::dtype(torch::kDouble)));
  std::printf("none: %d\n", static_cast<int>(torch::arange(2, 2).numel()));
  throws("away from the end", [] { torch::arange(0, 5, -1); });
  throws("no step", [] { torch::arange(0, 5, 0); });
  show("linspace", torch::linspace(-1, 1, 5));
  show("one step", torch::linspace(3, 10, 1));
  show("eye", torch::eye(3));
  show("eye", torch::eye(2, 3));
  show("eye", torch::eye(3, 2, torch::kLong));
  fact("full of integers",
       torch::full({2}, 3).dtype() == torch::kLong && torch::full({2}, 3.0).dtype() == torch::kFloat);
  fact("zeros of floats", torch::zeros({2}).dtype() == torch::kFloat && torch::ones({2}).dtype() == torch::kFloat);
  const auto x = torch::ones({2, 3}, torch::kDouble);
  fact("empty_like", torch::empty_like(x).sizes() == x.sizes() && torch::empty_like(x).dtype() == torch::kDouble);
  fact("rand_like",
       torch::rand_like(x).dtype() == torch::kDouble && torch::randn_like(x, torch::kFloat).dtype() == torch::kFloat);
  fact("likes", torch::ones_like(x, torch::requires_grad()).requires_grad() && !torch::zeros_like(x).requires_grad());
  show("full_like", torch::full_like(x, 2.5, torch::kFloat));
  show("zeros_like", torch::zeros_like(x, torch::dtype(torch::kLong)));
  fact("new ones", x.new_zeros({4}).dtype() == torch::kDouble && x.new_ones({2}, torch::kLong).dtype() == torch::kLong);
  show("new_full", x.new_full({2}, 1.5));
  fact("new_empty", x.new_empty({3, 1}).size(0) == 3 && torch::ones({1}).type_as(x).dtype() == torch::kDouble);
  show("vector", torch::tensor(std::vector<float>{1, 2, 3}));
  show("vector of integers", torch::tensor(std::vector<int64_t>{4, 5}));
  fact("of integers", torch::tensor({1, 2}).dtype() == torch::kLong && torch::tensor(2.5).dim() == 0);
}

void foreign_memory() {
  std::vector<float> data = {1, 2, 3, 4, 5, 6};
  auto x = torch::from_blob(data.data(), {2, 3});
  x.mul_(2);
  std::printf("data: %.1f %.1f\n", data[0], data[5]);
  data[0] = -1;
  show("x", x);
  auto t = torch::from_blob(data.data(), {3, 2}, /*strides=*/{1, 3}, torch::TensorOptions().dtype(torch::kFloat));
  show("t", t);
  fact("t is row-major", t.is_contiguous());
  int freed = 0;
  {
    auto y = torch::from_blob(
        data.data(), {6}, [&freed](void*) { ++freed; }, torch::requires_grad());
    auto z = y.view({3, 2});
    (y * y).sum().backward();
    show("y.grad", y.grad());
    std::printf("freed: %d\n", freed);
  }
  std::printf("freed: %d\n", freed);
  std::vector<int64_t> labels = {3, 1, 2};
  show("labels", torch::from_blob(labels.data(), {3}, torch::kLong).clone());
}

int main() {
  devices();
  numbers();
  accessors();
  creation();
  foreign_memory();
}
