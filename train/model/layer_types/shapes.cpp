#include <backflow/nn/modules/linear.h>
#include <backflow/nn/modules/pixelshuffle.h>
#include <backflow/nn/modules/upsampling.h>
#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

LayerOptions::Make flatten(const LayerKeys& keys) {
  const std::int64_t start =
      keys.integer({"start_dim", "the first of the dimensions that become one; the batch is 0"}, {.at_least = 1}, 1);
  const std::int64_t end = keys.integer({"end_dim", "the last of them, included"}, {}, -1);
  return [=](LayerInput&, ParameterBudget&) { return nn::Flatten(nn::FlattenOptions().start_dim(start).end_dim(end)); };
}

LayerOptions::Make unflatten(const LayerKeys& keys) {
  const std::int64_t dim = keys.integer({"dim", "the dimension that becomes several; the batch is 0"}, {}, 1);
  const std::vector<std::int64_t> sizes = keys.integers({"sizes", "their sizes, one of which may be -1: what is left"},
                                                        {.at_least = -1, .at_most = kMaxSize});
  return [=](LayerInput& input, ParameterBudget&) {
    check_dim(keys, "dim", dim, input);
    return nn::Unflatten(nn::UnflattenOptions(dim, sizes));
  };
}

template <class Module>
LayerOptions::Make shuffle(const LayerKeys& keys) {
  constexpr bool kUp = std::is_same_v<Module, nn::PixelShuffle>;
  const std::int64_t factor = keys.integer({kUp ? "upscale_factor" : "downscale_factor", "factor of height and width"},
                                           {.at_least = 1, .at_most = 1024});
  return [=](LayerInput& input, ParameterBudget&) {
    channels_of(keys, input, 2);
    return Module(factor);
  };
}

LayerOptions::Make upsample(const LayerKeys& keys) {
  nn::UpsampleOptions options;
  const std::vector<std::int64_t> size =
      keys.integers({"size",
                     "height and width of the result, or as many sizes as there are dimensions; 'scale_factor' "
                     "goes instead"},
                    {.at_least = 1, .at_most = kMaxSize}, std::vector<std::int64_t>{});
  const double factor = keys.number({"scale_factor", "factor of all sizes behind the channels"},
                                    {.at_most = 1024, .above = 0}, size.empty() ? 2.0 : 1.0);
  const std::string mode =
      keys.choice({"mode", "nearest element, mean of an area, or interpolation in one, two or three dimensions"},
                  {"nearest", "area", "linear", "bilinear", "bicubic", "trilinear"}, "nearest");
  const bool align = keys.boolean({"align_corners", "corners of input and result are the same points"}, false);
  if (!size.empty() && factor != 1) {
    keys.fail("scale_factor", "'scale_factor' beside 'size': need one of the two");
  }
  if (align && (mode == "nearest" || mode == "area")) {
    keys.fail("align_corners", to_text("align_corners with mode \"", mode, "\": need another mode, as \"bilinear\""));
  }
  if (mode != "nearest" && mode != "area") {
    options.align_corners(align);
  }
  options.mode(mode == "nearest"    ? nn::InterpolateMode(kNearest)
               : mode == "area"     ? nn::InterpolateMode(kArea)
               : mode == "linear"   ? nn::InterpolateMode(kLinear)
               : mode == "bilinear" ? nn::InterpolateMode(kBilinear)
               : mode == "bicubic"  ? nn::InterpolateMode(kBicubic)
                                    : nn::InterpolateMode(kTrilinear));
  return [=](LayerInput& input, ParameterBudget&) {
    check_dims(keys, input, 3, 5, "[batch, channels] and one to three dimensions");
    nn::UpsampleOptions actual = options;
    if (size.empty()) {
      actual.scale_factor(std::vector<double>(input.shape.size() - 2, factor));
    } else {
      actual.size(size);
    }
    return nn::Upsample(actual);
  };
}

}  // namespace

LayerTypes shape_types() {
  return {
      {"identity", "the input itself", plain_layer<nn::Identity>, Takes::Any},
      {"flatten", "several dimensions become one", flatten, Takes::Any},
      {"unflatten", "a dimension becomes several", unflatten, Takes::Any},
      {"pixel_shuffle", "channels become pixels: height and width grow by a factor", shuffle<nn::PixelShuffle>},
      {"pixel_unshuffle", "pixels become channels: height and width shrink by a factor", shuffle<nn::PixelUnshuffle>},
      {"upsample", "resize all dimensions behind the channels", upsample},
  };
}

}  // namespace backflow::train
