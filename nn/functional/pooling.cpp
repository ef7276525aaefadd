#include <backflow/nn/functional/pooling.h>

#include <backflow/ops/functions.h>

namespace backflow::nn::functional {
namespace {

/// The sizes of an adaptive pooling's result: the input's own where one is left out.
template <std::size_t D>
DimVector sizes_of(const Tensor& input, const ExpandingArrayWithOptionalElem<D>& output_size) {
  DimVector sizes;
  for (std::size_t i = 0; i < D; ++i) {
    // An input with too few dimensions is for the operator to report.
    const bool has_dim = input.dim() >= static_cast<std::int64_t>(D);
    sizes.push_back((*output_size)[i].value_or(
        has_dim ? input.size(static_cast<std::int64_t>(i) - static_cast<std::int64_t>(D)) : 1));
  }
  return sizes;
}
DimVector sizes_of(const Tensor&, const ExpandingArray<1>& output_size) { return IntArrayRef(output_size); }

}  // namespace

Tensor max_pool1d(const Tensor& input, const MaxPool1dFuncOptions& options) {
  return backflow::max_pool1d(input, options.kernel_size(), options.stride(), options.padding(), options.dilation(),
                              options.ceil_mode());
}

std::tuple<Tensor, Tensor> max_pool1d_with_indices(const Tensor& input, const MaxPool1dFuncOptions& options) {
  return backflow::max_pool1d_with_indices(input, options.kernel_size(), options.stride(), options.padding(),
                                           options.dilation(), options.ceil_mode());
}

Tensor max_pool2d(const Tensor& input, const MaxPool2dFuncOptions& options) {
  return backflow::max_pool2d(input, options.kernel_size(), options.stride(), options.padding(), options.dilation(),
                              options.ceil_mode());
}

std::tuple<Tensor, Tensor> max_pool2d_with_indices(const Tensor& input, const MaxPool2dFuncOptions& options) {
  return backflow::max_pool2d_with_indices(input, options.kernel_size(), options.stride(), options.padding(),
                                           options.dilation(), options.ceil_mode());
}

Tensor max_pool3d(const Tensor& input, const MaxPool3dFuncOptions& options) {
  return backflow::max_pool3d(input, options.kernel_size(), options.stride(), options.padding(), options.dilation(),
                              options.ceil_mode());
}

std::tuple<Tensor, Tensor> max_pool3d_with_indices(const Tensor& input, const MaxPool3dFuncOptions& options) {
  return backflow::max_pool3d_with_indices(input, options.kernel_size(), options.stride(), options.padding(),
                                           options.dilation(), options.ceil_mode());
}

Tensor avg_pool1d(const Tensor& input, const AvgPool1dFuncOptions& options) {
  return backflow::avg_pool1d(input, options.kernel_size(), options.stride(), options.padding(), options.ceil_mode(),
                              options.count_include_pad());
}

Tensor avg_pool2d(const Tensor& input, const AvgPool2dFuncOptions& options) {
  return backflow::avg_pool2d(input, options.kernel_size(), options.stride(), options.padding(), options.ceil_mode(),
                              options.count_include_pad(), options.divisor_override());
}

Tensor avg_pool3d(const Tensor& input, const AvgPool3dFuncOptions& options) {
  return backflow::avg_pool3d(input, options.kernel_size(), options.stride(), options.padding(), options.ceil_mode(),
                              options.count_include_pad(), options.divisor_override());
}

Tensor adaptive_max_pool1d(const Tensor& input, const AdaptiveMaxPool1dFuncOptions& options) {
  return std::get<0>(adaptive_max_pool1d_with_indices(input, options));
}

std::tuple<Tensor, Tensor> adaptive_max_pool1d_with_indices(const Tensor& input,
                                                            const AdaptiveMaxPool1dFuncOptions& options) {
  return backflow::adaptive_max_pool1d(input, sizes_of(input, options.output_size()));
}

Tensor adaptive_avg_pool1d(const Tensor& input, const AdaptiveAvgPool1dFuncOptions& options) {
  return backflow::adaptive_avg_pool1d(input, sizes_of(input, options.output_size()));
}

Tensor adaptive_max_pool2d(const Tensor& input, const AdaptiveMaxPool2dFuncOptions& options) {
  return std::get<0>(adaptive_max_pool2d_with_indices(input, options));
}

std::tuple<Tensor, Tensor> adaptive_max_pool2d_with_indices(const Tensor& input,
                                                            const AdaptiveMaxPool2dFuncOptions& options) {
  return backflow::adaptive_max_pool2d(input, sizes_of(input, options.output_size()));
}

Tensor adaptive_avg_pool2d(const Tensor& input, const AdaptiveAvgPool2dFuncOptions& options) {
  return backflow::adaptive_avg_pool2d(input, sizes_of(input, options.output_size()));
}

Tensor adaptive_max_pool3d(const Tensor& input, const AdaptiveMaxPool3dFuncOptions& options) {
  return std::get<0>(adaptive_max_pool3d_with_indices(input, options));
}

std::tuple<Tensor, Tensor> adaptive_max_pool3d_with_indices(const Tensor& input,
                                                            const AdaptiveMaxPool3dFuncOptions& options) {
  return backflow::adaptive_max_pool3d(input, sizes_of(input, options.output_size()));
}

Tensor adaptive_avg_pool3d(const Tensor& input, const AdaptiveAvgPool3dFuncOptions& options) {
  return backflow::adaptive_avg_pool3d(input, sizes_of(input, options.output_size()));
}

}  // namespace backflow::nn::functional
