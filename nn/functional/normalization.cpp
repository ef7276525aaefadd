#include <backflow/nn/functional/normalization.h>

#include <cmath>

#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/reductions/norm.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>

namespace backflow::nn::functional {
namespace {

double momentum_of(const char* where, const BatchNormFuncOptions& options) {
  check(options.momentum().has_value() || !options.training(), where, ": no momentum: need a number when training");
  return options.momentum().value_or(0);
}

}  // namespace

Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                  const BatchNormFuncOptions& options) {
  return backflow::batch_norm(input, options.weight(), options.bias(), running_mean, running_var, options.training(),
                              momentum_of("batch_norm", options), options.eps(), true);
}

Tensor batch_norm_relu(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                       const BatchNormFuncOptions& options, const Tensor& residual) {
  return backflow::batch_norm_relu(input, options.weight(), options.bias(), running_mean, running_var, residual,
                                   options.training(), momentum_of("batch_norm_relu", options), options.eps());
}

Tensor instance_norm(const Tensor& input, const InstanceNormFuncOptions& options) {
  return backflow::instance_norm(input, options.weight(), options.bias(), options.running_mean(), options.running_var(),
                                 options.use_input_stats(), options.momentum(), options.eps(), true);
}

Tensor layer_norm(const Tensor& input, const LayerNormFuncOptions& options) {
  return backflow::layer_norm(input, options.normalized_shape(), options.weight(), options.bias(), options.eps());
}

Tensor group_norm(const Tensor& input, const GroupNormFuncOptions& options) {
  return backflow::group_norm(input, options.num_groups(), options.weight(), options.bias(), options.eps());
}

Tensor rms_norm(const Tensor& input, const RMSNormFuncOptions& options) {
  return backflow::rms_norm(input, options.normalized_shape(), options.weight(), options.eps());
}

Tensor local_response_norm(const Tensor& input, const LocalResponseNormFuncOptions& options) {
  const std::int64_t size = options.size();
  check(input.dim() >= 3 && input.is_floating_point(), "local_response_norm: input ", describe(input),
        ": need a floating-point tensor [batch, channels, length, ...]");
  check(size >= 1 && size <= 0x7fffffff, "local_response_norm: size ", size, ": need a number from 1 to 2147483647");
  if (input.numel() == 0) {
    return input;
  }
  const auto divisor = [&](const Tensor& x, double k) {
    // An image whose rows are channels.
    const Tensor squares = (x * x).reshape({x.size(0), 1, x.size(1), -1});
    const Tensor padded = backflow::constant_pad_nd(squares, {0, 0, size / 2, (size - 1) / 2}, 0);
    return backflow::avg_pool2d(padded, {size, 1}, 1).reshape(x.sizes()) * options.alpha() + k;
  };
  const Tensor own = divisor(input, options.k());
  Tensor y = input / own.pow(options.beta());
  const bool is_double = input.scalar_type() == kFloat64;
  if (kernels::all_finite(backflow::contiguous(own.detach().to(is_double ? kFloat64 : kFloat32)))) {
    return y;
  }
  // Where squares overflow, in units of which they do not: x / (u^2 d)^beta = (x / u) / d^beta u^(1 - 2 beta).
  const double unit = is_double ? 0x1p768 : 0x1p96;
  const Tensor ratios = input / unit;
  const Tensor scaled = ratios / divisor(ratios, options.k() / unit / unit).pow(options.beta());
  return backflow::where(own.detach().isfinite(), y, scaled * std::pow(unit, 1 - 2 * options.beta()));
}

}  // namespace backflow::nn::functional
