#include <backflow/nn/models/inception.h>
#include <backflow/nn/models/lenet.h>
#include <backflow/nn/models/resnet.h>
#include <backflow/train/model/layer_keys.h>
#include <backflow/train/model/named_models/named_model.h>

namespace backflow::train {
namespace {

constexpr std::int64_t kLeastImagenet = 96;  // pixels; below, the ImageNet stem would leave hardly any

/// The parameters of a convolution without bias and of the batch normalization behind it, statistics included.
double normed_convolution(std::int64_t in, std::int64_t out, std::int64_t kernel) {
  return static_cast<double>(kernel * kernel) * static_cast<double>(in) * static_cast<double>(out) +
         4 * static_cast<double>(out);
}

double linear_parameters(std::int64_t in, std::int64_t out) {
  return (static_cast<double>(in) + 1) * static_cast<double>(out);
}

double block_parameters(bool bottleneck, std::int64_t in, std::int64_t width, std::int64_t stride) {
  const std::int64_t out = bottleneck ? 4 * width : width;
  const double path = bottleneck ? normed_convolution(in, width, 1) + normed_convolution(width, width, 3) +
                                       normed_convolution(width, out, 1)
                                 : normed_convolution(in, width, 3) + normed_convolution(width, width, 3);
  return path + (stride != 1 || in != out ? normed_convolution(in, out, 1) : 0);
}

/// The parameters of a residual network.
double resnet_parameters(const nn::ResNetOptions& options) {
  std::int64_t width = options.width();
  double all = normed_convolution(options.in_channels(), width, options.stem() == nn::ResNetStem::Cifar ? 3 : 7);
  std::int64_t in = width;
  for (std::size_t i = 0; i < options.blocks().size(); ++i, width *= 2) {
    for (std::int64_t block = 0; block < options.blocks()[i]; ++block) {
      all += block_parameters(options.bottleneck(), in, width, i > 0 && block == 0 ? 2 : 1);
      in = options.bottleneck() ? 4 * width : width;
    }
  }
  return all + linear_parameters(in, options.classes());
}

template <int kLayers>
ModelOptions::Make resnet(const io::Section& s) {
  const std::string stem =
      s.choice({"stem",
                "the first layers: a 3x3 convolution for small images, or 7x7 with stride 2 and pooling; "
                "`\"auto\"`: the second from 96x96 pixels on"},
               {"auto", "cifar", "imagenet"}, "auto");
  const std::int64_t width = s.integer({"width", "channels of the first stage; each next one has twice as many"},
                                       {.at_least = 1, .at_most = kMaxSize}, 64);
  const bool zero = s.boolean({"zero_init_residual", "residual blocks start as their shortcut"}, false);
  return [=](const ModelRequest& request, ParameterBudget& budget) {
    const std::string name = to_text("resnet", kLayers);
    const ImageShape image = image_shape(s, name, request);
    const bool large =
        stem == "imagenet" || (stem == "auto" && image.height >= kLeastImagenet && image.width >= kLeastImagenet);
    auto options = nn::ResNetOptions::with_layers(kLayers);
    options.stem(large ? nn::ResNetStem::Imagenet : nn::ResNetStem::Cifar).in_channels(image.channels).width(width);
    options.classes(outputs_of(s, name, request)).zero_init_residual(zero);
    take_parameters(s, name, "width", resnet_parameters(options), budget);
    return model_of(nn::ResNet(options), request.output_shape);
  };
}

ModelOptions::Make lenet(const io::Section& s) {
  return [=](const ModelRequest& request, ParameterBudget& budget) {
    const ImageShape image = image_shape(s, "lenet", request);
    const std::int64_t classes = outputs_of(s, "lenet", request);
    if (image.height < 4 || image.width < 4) {
      s.fail("name",
             to_text("in [model], lenet: samples of shape ", request.sample_shape, ": need images of at least 4x4"));
    }
    take_parameters(s, "lenet", "name",
                    linear_parameters(64 * (image.height / 4) * (image.width / 4), 128) +
                        linear_parameters(9 * image.channels, 32) + linear_parameters(9 * 32, 64) +
                        linear_parameters(128, classes),
                    budget);
    return model_of(
        nn::LeNet(nn::LeNetOptions(classes).in_channels(image.channels).height(image.height).width(image.width)),
        request.output_shape);
  };
}

ModelOptions::Make inception(const io::Section& s) {
  return [=](const ModelRequest& request, ParameterBudget& budget) {
    const ImageShape image = image_shape(s, "inception", request);
    const std::int64_t classes = outputs_of(s, "inception", request);
    if (image.height < 2 || image.width < 2) {
      s.fail("name", to_text("in [model], inception: samples of shape ", request.sample_shape,
                             ": need images of at least 2x2"));
    }
    constexpr double kBlocks = 150'000;  // the four blocks have a little less
    take_parameters(s, "inception", "name",
                    kBlocks + linear_parameters(9 * image.channels, 64) + linear_parameters(128, classes), budget);
    return model_of(nn::InceptionNet(classes, image.channels), request.output_shape);
  };
}

}  // namespace

std::vector<ModelType> image_models() {
  return {
      {"lenet", "a small convolutional network for images", lenet},
      {"resnet18", "a residual network of 18 layers, with torchvision's names", resnet<18>},
      {"resnet34", "a residual network of 34 layers, with torchvision's names", resnet<34>},
      {"resnet50", "a residual network of 50 layers, with torchvision's names", resnet<50>},
      {"inception", "a small network of four inception blocks for images", inception},
  };
}

}  // namespace backflow::train
