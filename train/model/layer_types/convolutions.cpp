#include <type_traits>

#include <backflow/nn/modules/conv.h>
#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

template <std::size_t D, class OneD, class TwoD, class ThreeD>
using ByDimensions = std::conditional_t<D == 1, OneD, std::conditional_t<D == 2, TwoD, ThreeD>>;

/// What both kinds of convolutions have.
template <std::size_t D, class Options>
Options common_options(const LayerKeys& keys) {
  const std::int64_t out_channels =
      keys.integer({"out_channels", "channels of the result"}, {.at_least = 1, .at_most = kMaxSize});
  Options options(1, out_channels,
                  keys.sizes<D>({"kernel_size", "size of the filters: one for all dimensions, or one each"}, 1));
  options.stride(
      keys.sizes<D>({"stride", "distance of neighbouring windows: one for all dimensions, or one each"}, 1, {1}));
  return options;
}

template <class Options>
void read_rest(const LayerKeys& keys, Options& options) {
  options.groups(keys.integer({"groups", "parts that channels are cut into, each of which sees its inputs alone"},
                              {.at_least = 1, .at_most = kMaxSize}, 1));
  options.bias(keys.boolean({"bias", "add a bias for each channel that is trained"}, true));
}

template <class Options>
void take(const LayerKeys& keys, const Options& options, std::int64_t channels, ParameterBudget& budget) {
  double weights = static_cast<double>(channels) / static_cast<double>(options.groups());
  for (const std::int64_t size : *options.kernel_size()) {
    weights *= static_cast<double>(size);
  }
  take_parameters(keys, "out_channels",
                  static_cast<double>(options.out_channels()) * (weights + (options.bias() ? 1 : 0)), budget);
}

/// Inputs whose channels the groups divide.
template <std::size_t D, class Options>
std::int64_t grouped_channels(const LayerKeys& keys, const LayerInput& input, const Options& options) {
  const std::int64_t channels = channels_of(keys, input, D);
  if (channels % options.groups() != 0 || options.out_channels() % options.groups() != 0) {
    keys.fail("groups", to_text("groups ", options.groups(), " for inputs of shape ", input.shape, " and ",
                                options.out_channels(), " channels of the result: need a number that divides both"));
  }
  return channels;
}

template <std::size_t D>
LayerOptions::Make conv(const LayerKeys& keys) {
  using Module = ByDimensions<D, nn::Conv1d, nn::Conv2d, nn::Conv3d>;
  auto options = common_options<D, nn::ConvOptions<D>>(keys);
  if (keys.has_string("padding")) {
    const io::Key key = {"padding",
                         "zeros around the input: one number, one for each dimension, \"same\" or \"valid\""};
    const bool same = keys.choice(key, {"same", "valid"}) == "same";
    if (same && std::any_of(options.stride()->begin(), options.stride()->end(), [](auto n) { return n != 1; })) {
      keys.fail("padding", "padding \"same\" with a stride above 1: need numbers, as padding = 1");
    }
    options.padding(same ? nn::ConvolutionPadding<D>(kSame) : nn::ConvolutionPadding<D>(kValid));
  } else {
    options.padding(keys.sizes<D>(
        {"padding", "zeros around the input: one number, one for each dimension, or \"same\" or \"valid\""}, 0, {0}));
  }
  options.dilation(
      keys.sizes<D>({"dilation", "distance of neighbouring elements of a filter: one, or one each"}, 1, {1}));
  read_rest(keys, options);
  const std::string mode =
      keys.choice({"padding_mode", "what stands around the input: zeros, or the input mirrored, repeated or continued"},
                  {"zeros", "reflect", "replicate", "circular"}, "zeros");
  options.padding_mode(mode == "zeros"       ? kZeros
                       : mode == "reflect"   ? kReflect
                       : mode == "replicate" ? kReplicate
                                             : kCircular);
  return [=](LayerInput& input, ParameterBudget& budget) {
    const std::int64_t channels = grouped_channels<D>(keys, input, options);
    take(keys, options, channels, budget);
    return Module(nn::ConvOptions<D>(options).in_channels(channels));
  };
}

template <std::size_t D>
LayerOptions::Make conv_transpose(const LayerKeys& keys) {
  using Module = ByDimensions<D, nn::ConvTranspose1d, nn::ConvTranspose2d, nn::ConvTranspose3d>;
  auto options = common_options<D, nn::ConvTransposeOptions<D>>(keys);
  options.padding(keys.sizes<D>({"padding", "elements cut off around the result: one number, or one each"}, 0, {0}));
  options.output_padding(keys.sizes<D>(
      {"output_padding", "further elements at the end of the result, fewer than stride or dilation"}, 0, {0}));
  options.dilation(
      keys.sizes<D>({"dilation", "distance of neighbouring elements of a filter: one, or one each"}, 1, {1}));
  read_rest(keys, options);
  for (std::size_t d = 0; d < D; ++d) {
    const std::int64_t more = (*options.output_padding())[d];
    if (more > 0 && more >= std::max((*options.stride())[d], (*options.dilation())[d])) {
      keys.fail("output_padding", to_text("output_padding ", more, ", stride ", (*options.stride())[d], ", dilation ",
                                          (*options.dilation())[d], ": need one below stride or dilation"));
    }
  }
  return [=](LayerInput& input, ParameterBudget& budget) {
    const std::int64_t channels = grouped_channels<D>(keys, input, options);
    take(keys, options, channels, budget);
    return Module(nn::ConvTransposeOptions<D>(options).in_channels(channels));
  };
}

}  // namespace

LayerTypes convolution_types() {
  return {
      {"conv1d", "convolution of [batch, channels, length]", conv<1>},
      {"conv2d", "convolution of [batch, channels, height, width]", conv<2>},
      {"conv3d", "convolution of [batch, channels, depth, height, width]", conv<3>},
      {"conv_transpose1d", "transposed convolution of [batch, channels, length]", conv_transpose<1>},
      {"conv_transpose2d", "transposed convolution of [batch, channels, height, width]", conv_transpose<2>},
      {"conv_transpose3d", "transposed convolution of [batch, channels, depth, height, width]", conv_transpose<3>},
  };
}

}  // namespace backflow::train
