#include <backflow/nn/functional/conv.h>

#include <backflow/ops/functions.h>

namespace backflow::nn::functional {
namespace {

/// A convolution by `f`, an overload for numbers and one for a rule.
template <std::size_t D, class Conv>
Tensor conv(const Conv& f, const Tensor& input, const Tensor& weight, const ConvFuncOptions<D>& options) {
  return options.padding().is_same()
             ? f(input, weight, options.bias(), options.stride(), "same", options.dilation(), options.groups())
             : f(input, weight, options.bias(), options.stride(), options.padding().numbers(), options.dilation(),
                 options.groups());
}

template <std::size_t D, class Conv>
Tensor conv_transpose(const Conv& f, const Tensor& input, const Tensor& weight,
                      const ConvTransposeFuncOptions<D>& options) {
  return f(input, weight, options.bias(), options.stride(), options.padding(), options.output_padding(),
           options.groups(), options.dilation());
}

}  // namespace

Tensor conv1d(const Tensor& input, const Tensor& weight, const Conv1dFuncOptions& options) {
  return conv<1>([](const auto&... operands) { return backflow::conv1d(operands...); }, input, weight, options);
}

Tensor conv2d(const Tensor& input, const Tensor& weight, const Conv2dFuncOptions& options) {
  return conv<2>([](const auto&... operands) { return backflow::conv2d(operands...); }, input, weight, options);
}

Tensor conv3d(const Tensor& input, const Tensor& weight, const Conv3dFuncOptions& options) {
  return conv<3>([](const auto&... operands) { return backflow::conv3d(operands...); }, input, weight, options);
}

Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const ConvTranspose1dFuncOptions& options) {
  return conv_transpose<1>(backflow::conv_transpose1d, input, weight, options);
}

Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const ConvTranspose2dFuncOptions& options) {
  return conv_transpose<2>(backflow::conv_transpose2d, input, weight, options);
}

Tensor conv_transpose3d(const Tensor& input, const Tensor& weight, const ConvTranspose3dFuncOptions& options) {
  return conv_transpose<3>(backflow::conv_transpose3d, input, weight, options);
}

}  // namespace backflow::nn::functional
