#include <backflow/nn/init.h>

#include <cmath>

#include <backflow/ops/creation/random.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::nn::init {
namespace {

double kaiming_std(const Tensor& tensor, double a, FanModeType mode, NonlinearityType nonlinearity) {
  const auto [fan_in, fan_out] = _calculate_fan_in_and_fan_out(tensor);
  const auto fan = static_cast<double>(mode == kFanIn ? fan_in : fan_out);
  return calculate_gain(nonlinearity, a) / std::sqrt(fan);
}

double xavier_std(const Tensor& tensor, double gain) {
  const auto [fan_in, fan_out] = _calculate_fan_in_and_fan_out(tensor);
  return gain * std::sqrt(2.0 / static_cast<double>(fan_in + fan_out));
}

/// Uniform numbers of this standard deviation; none for a tensor without elements, whose fan may be 0.
Tensor uniform_of_std(Tensor tensor, double std) {
  const double bound = std::sqrt(3.0) * std;
  return tensor.numel() == 0 ? tensor : init::uniform_(tensor, -bound, bound);
}

Tensor normal_of_std(Tensor tensor, double std) { return tensor.numel() == 0 ? tensor : init::normal_(tensor, 0, std); }

}  // namespace

double calculate_gain(NonlinearityType nonlinearity, double param) {
  switch (nonlinearity) {
    case kTanh:
      return 5.0 / 3.0;
    case kReLU:
      return std::sqrt(2.0);
    case kLeakyReLU:
      return std::sqrt(2.0 / (1 + param * param));
    default:
      return 1;
  }
}

std::tuple<std::int64_t, std::int64_t> _calculate_fan_in_and_fan_out(const Tensor& tensor) {
  check(tensor.dim() >= 2, "init: fan of ", describe(tensor), ": need a weight with at least 2 dimensions");
  const std::int64_t kernel = numel_of(IntArrayRef(tensor.sizes().data() + 2, tensor.sizes().size() - 2));
  return {tensor.size(1) * kernel, tensor.size(0) * kernel};
}

Tensor constant_(Tensor tensor, Scalar value) {
  const NoGradGuard no_grad;
  return tensor.fill_(value);
}

Tensor zeros_(Tensor tensor) { return constant_(std::move(tensor), 0); }

Tensor ones_(Tensor tensor) { return constant_(std::move(tensor), 1); }

Tensor uniform_(Tensor tensor, double low, double high) {
  const NoGradGuard no_grad;
  return backflow::uniform_(tensor, low, high);
}

Tensor normal_(Tensor tensor, double mean, double std) {
  const NoGradGuard no_grad;
  return backflow::normal_(tensor, mean, std);
}

Tensor xavier_uniform_(Tensor tensor, double gain) { return uniform_of_std(tensor, xavier_std(tensor, gain)); }

Tensor xavier_normal_(Tensor tensor, double gain) { return normal_of_std(tensor, xavier_std(tensor, gain)); }

Tensor kaiming_uniform_(Tensor tensor, double a, FanModeType mode, NonlinearityType nonlinearity) {
  return uniform_of_std(tensor, kaiming_std(tensor, a, mode, nonlinearity));
}

Tensor kaiming_normal_(Tensor tensor, double a, FanModeType mode, NonlinearityType nonlinearity) {
  return normal_of_std(tensor, kaiming_std(tensor, a, mode, nonlinearity));
}

}  // namespace backflow::nn::init
