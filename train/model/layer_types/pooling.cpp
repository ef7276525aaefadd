#include <backflow/nn/modules/pooling.h>

#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

template <std::size_t D>
ExpandingArray<D> kernel_of(const LayerKeys& keys) {
  return keys.sizes<D>({"kernel_size", "size of the windows: one for all dimensions, or one each"}, 1);
}

template <std::size_t D>
ExpandingArray<D> stride_of(const LayerKeys& keys, const ExpandingArray<D>& kernel) {
  return keys.sizes<D>({"stride", "distance of neighbouring windows; `kernel_size` unless given"}, 1, kernel);
}

bool ceil_mode(const LayerKeys& keys) {
  return keys.boolean({"ceil_mode", "a last window may end beyond the input"}, false);
}

template <class Module, std::size_t D>
LayerOptions::Make max_pool(const LayerKeys& keys) {
  const ExpandingArray<D> kernel = kernel_of<D>(keys);
  nn::MaxPoolOptions<D> options(kernel);
  options.stride(stride_of<D>(keys, kernel));
  options.padding(keys.sizes<D>({"padding", "elements around the input, which are never the largest"}, 0, {0}));
  options.dilation(keys.sizes<D>({"dilation", "distance of neighbouring elements of a window"}, 1, {1}));
  options.ceil_mode(ceil_mode(keys));
  return [=](LayerInput&, ParameterBudget&) { return Module(options); };
}

template <class Module, std::size_t D>
LayerOptions::Make avg_pool(const LayerKeys& keys) {
  const ExpandingArray<D> kernel = kernel_of<D>(keys);
  nn::AvgPoolOptions<D> options(kernel);
  options.stride(stride_of<D>(keys, kernel));
  options.padding(keys.sizes<D>({"padding", "zeros around the input"}, 0, {0}));
  options.ceil_mode(ceil_mode(keys));
  options.count_include_pad(
      keys.boolean({"count_include_pad", "zeros around the input count as elements of a window"}, true));
  if constexpr (D > 1) {
    const std::int64_t divisor =
        keys.integer({"divisor_override", "what sums are divided by; 0: the number of elements"},
                     {.at_least = 0, .at_most = kMaxSize}, 0);
    options.divisor_override(divisor > 0 ? std::optional(divisor) : std::nullopt);
  }
  return [=](LayerInput&, ParameterBudget&) { return Module(options); };
}

template <class Module, std::size_t D>
LayerOptions::Make lp_pool(const LayerKeys& keys) {
  const double order = keys.number({"norm_type", "order of the norm"}, {.at_most = 1000, .above = 0}, 2.0);
  const ExpandingArray<D> kernel = kernel_of<D>(keys);
  nn::LPPoolOptions<D> options(order, kernel);
  options.stride(stride_of<D>(keys, kernel));
  options.ceil_mode(ceil_mode(keys));
  return [=](LayerInput&, ParameterBudget&) { return Module(options); };
}

template <class Module, class Options, std::size_t D>
LayerOptions::Make adaptive_pool(const LayerKeys& keys) {
  const ExpandingArray<D> size =
      keys.sizes<D>({"output_size", "size of the result: one for all dimensions, or one each"}, 1, {1});
  if constexpr (D == 1) {
    return [=](LayerInput&, ParameterBudget&) { return Module(Options(size)); };
  } else {
    std::array<std::optional<std::int64_t>, D> sizes;
    std::copy(size->begin(), size->end(), sizes.begin());
    return [=](LayerInput&, ParameterBudget&) { return Module(Options(sizes)); };
  }
}

}  // namespace

LayerTypes pooling_types() {
  return {
      {"max_pool1d", "maximum of each window along the length", max_pool<nn::MaxPool1d, 1>},
      {"max_pool2d", "maximum of each window along height and width", max_pool<nn::MaxPool2d, 2>},
      {"max_pool3d", "maximum of each window along depth, height and width", max_pool<nn::MaxPool3d, 3>},
      {"avg_pool1d", "mean of each window along the length", avg_pool<nn::AvgPool1d, 1>},
      {"avg_pool2d", "mean of each window along height and width", avg_pool<nn::AvgPool2d, 2>},
      {"avg_pool3d", "mean of each window along depth, height and width", avg_pool<nn::AvgPool3d, 3>},
      {"lp_pool1d", "norm of each window along the length", lp_pool<nn::LPPool1d, 1>},
      {"lp_pool2d", "norm of each window along height and width", lp_pool<nn::LPPool2d, 2>},
      {"adaptive_max_pool1d", "maximum of windows that give a result of this length",
       adaptive_pool<nn::AdaptiveMaxPool1d, nn::AdaptiveMaxPool1dOptions, 1>},
      {"adaptive_max_pool2d", "maximum of windows that give a result of this height and width",
       adaptive_pool<nn::AdaptiveMaxPool2d, nn::AdaptiveMaxPool2dOptions, 2>},
      {"adaptive_max_pool3d", "maximum of windows that give a result of this depth, height and width",
       adaptive_pool<nn::AdaptiveMaxPool3d, nn::AdaptiveMaxPool3dOptions, 3>},
      {"adaptive_avg_pool1d", "mean of windows that give a result of this length",
       adaptive_pool<nn::AdaptiveAvgPool1d, nn::AdaptiveAvgPool1dOptions, 1>},
      {"adaptive_avg_pool2d", "mean of windows that give a result of this height and width",
       adaptive_pool<nn::AdaptiveAvgPool2d, nn::AdaptiveAvgPool2dOptions, 2>},
      {"adaptive_avg_pool3d", "mean of windows that give a result of this depth, height and width",
       adaptive_pool<nn::AdaptiveAvgPool3d, nn::AdaptiveAvgPool3dOptions, 3>},
  };
}

}  // namespace backflow::train
