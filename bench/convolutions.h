#pragma once

// The distinct convolutions of the benches' networks, as peers/torch_workloads.py has them.

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct ConvolutionShape {
  std::int64_t batch;
  std::int64_t in;
  std::int64_t out;
  std::int64_t size;  ///< of the image, which is square
  std::int64_t kernel;
  std::int64_t stride;
  int count;                      ///< how often the network has it
  bool has_data_gradient = true;  ///< the first convolution of a network has none

  /// So that a stride of 1 keeps the image's size.
  std::int64_t padding() const { return kernel / 2; }
  std::int64_t output_size() const { return (size + 2 * padding() - kernel) / stride + 1; }
  /// Floating-point operations of one pass.
  double flop() const {
    return 2.0 * static_cast<double>(batch * out * output_size() * output_size()) *
           static_cast<double>(in * kernel * kernel);
  }
  /// As "128->256 16x16 3x3/2".
  std::string name() const {
    const auto square = [](std::int64_t n) { return std::to_string(n) + "x" + std::to_string(n); };
    return std::to_string(in) + "->" + std::to_string(out) + " " + square(size) + " " + square(kernel) +
           (stride > 1 ? "/" + std::to_string(stride) : "");
  }
};

/// Empty for a network without convolutions.
inline std::vector<ConvolutionShape> convolutions_of(const std::string& network) {
  if (network == "resnet18") {
    return {{32, 3, 64, 32, 3, 1, 1, false}, {32, 64, 64, 32, 3, 1, 4},   {32, 64, 128, 32, 3, 2, 1},
            {32, 64, 128, 32, 1, 2, 1},      {32, 128, 128, 16, 3, 1, 3}, {32, 128, 256, 16, 3, 2, 1},
            {32, 128, 256, 16, 1, 2, 1},     {32, 256, 256, 8, 3, 1, 3},  {32, 256, 512, 8, 3, 2, 1},
            {32, 256, 512, 8, 1, 2, 1},      {32, 512, 512, 4, 3, 1, 3}};
  }
  if (network == "inception") {
    return {{16, 3, 64, 32, 3, 1, 1, false},
            // The modules: of 64 channels and of 128 on the large image, two of 128 on the small one.
            {16, 64, 32, 32, 1, 1, 2},
            {16, 64, 16, 32, 1, 1, 2},
            {16, 32, 48, 32, 3, 1, 2},
            {16, 16, 32, 32, 5, 1, 2},
            {16, 128, 32, 32, 1, 1, 2},
            {16, 128, 16, 32, 1, 1, 2},
            {16, 128, 32, 16, 1, 1, 4},
            {16, 128, 16, 16, 1, 1, 4},
            {16, 32, 48, 16, 3, 1, 2},
            {16, 16, 32, 16, 5, 1, 2}};
  }
  if (network == "lenet") {
    return {{64, 1, 32, 28, 3, 1, 1, false}, {64, 32, 64, 14, 3, 1, 1}};
  }
  return {};
}

}  // namespace bench
