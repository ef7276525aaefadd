#include <backflow/nn/models/dcgan.h>

#include <memory>

#include <backflow/nn/init.h>
#include <backflow/nn/modules/activation.h>
#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/shape_observer.h>

namespace backflow::nn {
namespace {

constexpr double kWeightDeviation = 0.02;  // of the paper

/// Weights of convolutions are normal around 0, those of normalizations around 1.
void initialize(const Module& network) {
  for (const std::shared_ptr<Module>& module : network.modules(false)) {
    if (const auto convolution = std::dynamic_pointer_cast<Conv2dImpl>(module)) {
      init::normal_(convolution->weight, 0, kWeightDeviation);
    } else if (const auto transposed = std::dynamic_pointer_cast<ConvTranspose2dImpl>(module)) {
      init::normal_(transposed->weight, 0, kWeightDeviation);
    } else if (const auto norm = std::dynamic_pointer_cast<detail::BatchNormModule>(module)) {
      init::normal_(norm->weight, 1, kWeightDeviation);
    }
  }
}

/// The height and width that images are halved to.
ExpandingArray<2> smallest(const DCGANOptions& options) {
  const std::int64_t factor = std::int64_t{1} << dcgan_doublings(options);
  return {options.height() / factor, options.width() / factor};
}

Conv2d halving(std::int64_t in, std::int64_t out) {
  return Conv2d(Conv2dOptions(in, out, 4).stride(2).padding(1).bias(false));
}

ConvTranspose2d doubling(std::int64_t in, std::int64_t out) {
  return ConvTranspose2d(ConvTranspose2dOptions(in, out, 4).stride(2).padding(1).bias(false));
}

}  // namespace

std::int64_t dcgan_doublings(const DCGANOptions& options) {
  constexpr std::int64_t kMostSide = 16;
  std::int64_t height = options.height();
  std::int64_t width = options.width();
  std::int64_t doublings = 0;
  while (height % 2 == 0 && width % 2 == 0 && height >= 8 && width >= 8) {
    height /= 2;
    width /= 2;
    ++doublings;
  }
  check(doublings >= 1 && height <= kMostSide && width <= kMostSide, "dcgan: images of ", options.height(), "x",
        options.width(), ": need even sides that halving brings to ", kMostSide, " or less, as 28x28, 32x32 or 64x64");
  check(options.channels() >= 1 && options.latent() >= 1 && options.features() >= 1, "dcgan: ", options.channels(),
        " channels, latent ", options.latent(), ", features ", options.features(), ": need positive numbers");
  return doublings;
}

DCGANGeneratorImpl::DCGANGeneratorImpl(const DCGANOptions& options_) : options(options_) {
  std::int64_t channels = options.features() << (dcgan_doublings(options) - 1);
  main_->push_back(ConvTranspose2d(ConvTranspose2dOptions(options.latent(), channels, smallest(options)).bias(false)));
  for (; channels > options.features(); channels /= 2) {
    main_->push_back(BatchNorm2d(channels));
    main_->push_back(ReLU());
    main_->push_back(doubling(channels, channels / 2));
  }
  main_->push_back(BatchNorm2d(channels));
  main_->push_back(ReLU());
  main_->push_back(doubling(channels, options.channels()));
  main_->push_back(Tanh());
  register_module("main", main_);
  initialize(*this);
}

Tensor DCGANGeneratorImpl::forward(const Tensor& input) const {
  return main_(input.dim() == 2 ? input.unsqueeze(-1).unsqueeze(-1) : input);
}

DimVector DCGANGeneratorImpl::output_shape(IntArrayRef input) const {
  DimVector shape(input);
  if (shape.size() == 2) {
    shape.push_back(1);
    shape.push_back(1);
  }
  return output_shape_of("main", *main_, shape);
}

DCGANDiscriminatorImpl::DCGANDiscriminatorImpl(const DCGANOptions& options_) : options(options_) {
  const std::int64_t most = options.features() << (dcgan_doublings(options) - 1);
  std::int64_t channels = options.features();
  main_->push_back(halving(options.channels(), channels));
  main_->push_back(LeakyReLU(LeakyReLUOptions().negative_slope(0.2)));
  for (; channels < most; channels *= 2) {
    main_->push_back(halving(channels, 2 * channels));
    main_->push_back(BatchNorm2d(2 * channels));
    main_->push_back(LeakyReLU(LeakyReLUOptions().negative_slope(0.2)));
  }
  main_->push_back(Conv2d(Conv2dOptions(channels, 1, smallest(options)).bias(false)));
  main_->push_back(Flatten());
  register_module("main", main_);
  initialize(*this);
}

Tensor DCGANDiscriminatorImpl::forward(const Tensor& input) const { return main_(input); }

DimVector DCGANDiscriminatorImpl::output_shape(IntArrayRef input) const {
  check(input.size() == 4 && input[2] == options.height() && input[3] == options.width(), "dcgan: input shape ", input,
        ": need [batch, ", options.channels(), ", ", options.height(), ", ", options.width(), "]");
  return output_shape_of("main", *main_, input);
}

}  // namespace backflow::nn
