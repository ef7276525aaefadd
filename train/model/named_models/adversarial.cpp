#include <backflow/nn/models/dcgan.h>
#include <backflow/nn/shape_observer.h>
#include <backflow/ops/functions.h>
#include <backflow/train/model/layer_keys.h>
#include <backflow/train/model/named_models/named_model.h>

namespace backflow::train {
namespace {

/// Both networks of a GAN as one module, so that they are dumped and resumed as one.
class AdversarialImpl : public nn::Module {
 public:
  explicit AdversarialImpl(const nn::DCGANOptions& options)
      : generator(register_module("generator", nn::DCGANGenerator(options))),
        discriminator(register_module("discriminator", nn::DCGANDiscriminator(options))) {}

  /// Of images: they are judged, and others are made of random numbers beside them.
  DimVector output_shape(IntArrayRef input) const override {
    nn::output_shape_of("generator", *generator, {input.empty() ? 1 : input[0], generator->options.latent()});
    return nn::output_shape_of("discriminator", *discriminator, input);
  }

  nn::DCGANGenerator generator;
  nn::DCGANDiscriminator discriminator;
};

/// The parameters of both networks, an upper bound that counts each convolution with normalization.
double dcgan_parameters(const nn::DCGANOptions& options) {
  const std::int64_t doublings = nn::dcgan_doublings(options);
  const double area =
      static_cast<double>(options.height() >> doublings) * static_cast<double>(options.width() >> doublings);
  double channels = static_cast<double>(options.features());
  double one = 16 * channels * static_cast<double>(options.channels());
  for (std::int64_t i = 1; i < doublings; ++i, channels *= 2) {
    one += 16 * channels * 2 * channels + 8 * channels;
  }
  return 2 * one + area * channels * (static_cast<double>(options.latent()) + 1);
}

ModelOptions::Make dcgan(const io::Section& s) {
  const std::int64_t latent =
      s.integer({"latent", "random numbers that an image is made of"}, {.at_least = 1, .at_most = kMaxSize}, 100);
  const std::int64_t features =
      s.integer({"features", "channels next to the images; each halving of the images doubles them"},
                {.at_least = 1, .at_most = kMaxSize}, 64);
  return [=](const ModelRequest& request, ParameterBudget& budget) {
    const ImageShape image = image_shape(s, "dcgan", request);
    auto options = nn::DCGANOptions(image.channels, image.height, image.width).latent(latent).features(features);
    try {
      nn::dcgan_doublings(options);
    } catch (const Error& error) {
      s.fail("name", to_text("in [model], ", error.what()));
    }
    take_parameters(s, "dcgan", "features", dcgan_parameters(options), budget);
    const auto module = std::make_shared<AdversarialImpl>(options);
    const ScalarType dtype = request.dtype;
    Model model;
    model.module = module;
    model.generator = module->generator.ptr();
    model.discriminator = module->discriminator.ptr();
    model.judge = [module](const Tensor& x) { return module->discriminator->forward(x); };
    model.forward = model.judge;
    model.sample = [module, latent, dtype](std::int64_t n) {
      return module->generator->forward(randn({n, latent, 1, 1}, TensorOptions().dtype(dtype)));
    };
    model.output_shape = {1};
    return model;
  };
}

}  // namespace

std::vector<ModelType> adversarial_models() {
  return {{"dcgan", "a generative adversarial network of convolutions for images", dcgan}};
}

}  // namespace backflow::train
