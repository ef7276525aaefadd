#include <backflow/nn/functional/normalization.h>

#include <backflow/ops/functions.h>
#include <backflow/runtime/error.h>

namespace backflow::nn::functional {

Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                  const BatchNormFuncOptions& options) {
  check(options.momentum().has_value() || !options.training(), "batch_norm: no momentum: need a number when training");
  return backflow::batch_norm(input, options.weight(), options.bias(), running_mean, running_var, options.training(),
                              options.momentum().value_or(0), options.eps(), true);
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

}  // namespace backflow::nn::functional
