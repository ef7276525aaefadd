#include <backflow/nn/functional/dropout.h>

#include <backflow/ops/dropout.h>
#include <backflow/ops/functions.h>

namespace backflow::nn::functional {
namespace {

/// Channels of a tensor of `dims` dimensions with a batch, which may be left out.
Tensor drop_channels(const char* name, const Tensor& input, const DropoutFuncOptions& options, std::int64_t dims) {
  check(input.dim() == dims || input.dim() == dims - 1, name, ": input ", describe(input), ": need ", dims,
        " dimensions, or one fewer without a batch");
  const Tensor batch = input.dim() == dims ? input : input.unsqueeze(0);
  if (options.inplace()) {
    feature_dropout_(batch, options.p(), options.training());
    return input;
  }
  const Tensor result = backflow::feature_dropout(batch, options.p(), options.training());
  return input.dim() == dims ? result : result.squeeze(0);
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
