#include <backflow/nn/functional/conv.h>

#include <algorithm>

#include <backflow/ops/functions.h>

namespace backflow::nn::functional {
namespace {

template <std::size_t D, class Conv>
Tensor conv(const char* where, const Conv& f, const Tensor& input, const Tensor& weight,
            const ConvFuncOptions<D>& options) {
  if (!options.padding().is_same()) {
    return f(input, weight, options.bias(), options.stride(), options.padding().numbers(), options.dilation(),
             options.groups());
  }
  const IntArrayRef stride = options.stride();
  check(std::all_of(stride.begin(), stride.end(), [](std::int64_t s) { return s == 1; }), where, ": stride ", stride,
        " with padding kSame: need a stride of 1");
  check(weight.dim() == static_cast<std::int64_t>(D) + 2, where, ": weight ", describe(weight), ": need ", D + 2,
        " dimensions");
  const IntArrayRef kernel(weight.sizes().data() + 2, D);
  return f(input, weight, options.bias(), options.stride(), detail::same_padding(kernel, options.dilation()),
           options.dilation(), options.groups());
}

template <std::size_t D, class Conv>
Tensor conv_transpose(const Conv& f, const Tensor& input, const Tensor& weight,
                      const ConvTransposeFuncOptions<D>& options) {
  return f(input, weight, options.bias(), options.stride(), options.padding(), options.output_padding(),
           options.groups(), options.dilation());
}

}  // namespace

DimVector detail::same_padding(IntArrayRef kernel_size, IntArrayRef dilation) {
  DimVector out;
  for (std::size_t d = 0; d < kernel_size.size(); ++d) {
    const std::int64_t both = dilation[d] * (kernel_size[d] - 1);
    out.push_back(both / 2);
    out.push_back(both - both / 2);
  }
  return out;
}

Tensor conv1d(const Tensor& input, const Tensor& weight, const Conv1dFuncOptions& options) {
  return conv<1>("conv1d", backflow::conv1d, input, weight, options);
}

Tensor conv2d(const Tensor& input, const Tensor& weight, const Conv2dFuncOptions& options) {
  return conv<2>("conv2d", backflow::conv2d, input, weight, options);
}

Tensor conv3d(const Tensor& input, const Tensor& weight, const Conv3dFuncOptions& options) {
  return conv<3>("conv3d", backflow::conv3d, input, weight, options);
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
