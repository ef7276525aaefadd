#include <backflow/nn/functional/normalization.h>

#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/error.h>

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
  // An image whose rows are channels.
  const Tensor squares = (input * input).reshape({input.size(0), 1, input.size(1), -1});
  const Tensor padded = backflow::constant_pad_nd(squares, {0, 0, size / 2, (size - 1) / 2}, 0);
  const Tensor means = backflow::avg_pool2d(padded, {size, 1}, 1).reshape(input.sizes());
  return input / (means * options.alpha() + options.k()).pow(options.beta());
}

}  // namespace backflow::nn::functional
