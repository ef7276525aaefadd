#include <backflow/nn/functional/dropout.h>

#include <backflow/ops/creation/dropout.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/base/warning.h>

namespace backflow::nn::functional {
namespace {

/// Channels of a tensor of `dims` dimensions with a batch, which may be left out. As in PyTorch, others are taken with
/// a warning: their features are [i, j], which of two dimensions are the elements.
Tensor drop_channels(const char* name, const Tensor& input, const DropoutFuncOptions& options, std::int64_t dims) {
  check(input.dim() >= 2, name, ": input ", describe(input), ": need ", dims,
        " dimensions, or one fewer without a batch; dropout() takes any number");
  if (input.dim() != dims && input.dim() != dims - 1) {
    warn(name, ": input ", describe(input), ": meant for ", dims,
         " dimensions, or one fewer without a batch; dropout() is for elements");
  }
  const bool is_batch = input.dim() != dims - 1;
  const Tensor batch = is_batch ? input : input.unsqueeze(0);
  if (options.inplace()) {
    feature_dropout_(batch, options.p(), options.training());
    return input;
  }
  const Tensor result = backflow::feature_dropout(batch, options.p(), options.training());
  return is_batch ? result : result.squeeze(0);
}

}  // namespace

Tensor dropout(const Tensor& input, const DropoutFuncOptions& options) {
  return options.inplace() ? backflow::dropout_(input, options.p(), options.training())
                           : backflow::dropout(input, options.p(), options.training());
}

Tensor dropout2d(const Tensor& input, const Dropout2dFuncOptions& options) {
  return drop_channels("dropout2d", input, options, 4);
}

Tensor dropout3d(const Tensor& input, const Dropout3dFuncOptions& options) {
  return drop_channels("dropout3d", input, options, 5);
}

Tensor alpha_dropout(const Tensor& input, const AlphaDropoutFuncOptions& options) {
  return options.inplace() ? backflow::alpha_dropout_(input, options.p(), options.training())
                           : backflow::alpha_dropout(input, options.p(), options.training());
}

Tensor feature_alpha_dropout(const Tensor& input, const FeatureAlphaDropoutFuncOptions& options) {
  return options.inplace() ? backflow::feature_alpha_dropout_(input, options.p(), options.training())
                           : backflow::feature_alpha_dropout(input, options.p(), options.training());
}

}  // namespace backflow::nn::functional
