#include <backflow/nn/modules/padding.h>

#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

/// Two numbers for each of D dimensions, the last one's first, or one for all.
template <std::size_t D>
ExpandingArray<2 * D> padding_of(const LayerKeys& keys) {
  constexpr const char* kSentences[] = {"elements added: one number, or left and right",
                                        "elements added: one number, or left, right, top and bottom",
                                        "elements added: one number, or left, right, top, bottom, front and back"};
  return keys.sizes<2 * D>({"padding", kSentences[D - 1]}, 0);
}

/// For inputs with channels in front of the D padded dimensions.
template <class Module, class Options, std::size_t D>
LayerOptions::Make pad(const LayerKeys& keys) {
  const ExpandingArray<2 * D> padding = padding_of<D>(keys);
  const auto options = [&] {
    if constexpr (std::is_constructible_v<Options, ExpandingArray<2 * D>, double>) {
      return Options(padding, keys.number({"value", "the number that is added"}));
    } else {
      return Options(padding);
    }
  }();
  return [=](LayerInput& input, ParameterBudget&) {
    channels_of(keys, input, D);
    return Module(options);
  };
}

}  // namespace

LayerTypes padding_types() {
  return {
      {"zero_pad2d", "zeros around [batch, channels, height, width]", pad<nn::ZeroPad2d, nn::ZeroPad2dOptions, 2>},
      {"constant_pad1d", "a number around [batch, channels, length]",
       pad<nn::ConstantPad1d, nn::ConstantPad1dOptions, 1>},
      {"constant_pad2d", "a number around [batch, channels, height, width]",
       pad<nn::ConstantPad2d, nn::ConstantPad2dOptions, 2>},
      {"constant_pad3d", "a number around [batch, channels, depth, height, width]",
       pad<nn::ConstantPad3d, nn::ConstantPad3dOptions, 3>},
      {"reflection_pad1d", "the input mirrored, around [batch, channels, length]",
       pad<nn::ReflectionPad1d, nn::ReflectionPad1dOptions, 1>},
      {"reflection_pad2d", "the input mirrored, around [batch, channels, height, width]",
       pad<nn::ReflectionPad2d, nn::ReflectionPad2dOptions, 2>},
      {"reflection_pad3d", "the input mirrored, around [batch, channels, depth, height, width]",
       pad<nn::ReflectionPad3d, nn::ReflectionPad3dOptions, 3>},
      {"replication_pad1d", "the outermost elements repeated, around [batch, channels, length]",
       pad<nn::ReplicationPad1d, nn::ReplicationPad1dOptions, 1>},
      {"replication_pad2d", "the outermost elements repeated, around [batch, channels, height, width]",
       pad<nn::ReplicationPad2d, nn::ReplicationPad2dOptions, 2>},
      {"replication_pad3d", "the outermost elements repeated, around [batch, channels, depth, height, width]",
       pad<nn::ReplicationPad3d, nn::ReplicationPad3dOptions, 3>},
  };
}

}  // namespace backflow::train
