#pragma once

#include <cstdint>

#include <backflow/nn/modules/container.h>
#include <backflow/nn/options/arg.h>

/// The networks of deep convolutional generative adversarial networks (Radford, Metz and Chintala, Unsupervised
/// representation learning with DCGANs, 2016). For images of 64x64, parameters and buffers are named as those of
/// PyTorch's example, "main.0.weight".
namespace backflow::nn {

/// The images, and the sizes of both networks.
class DCGANOptions {
 public:
  /// For images [channels, height, width]. They are halved until a side is odd or below 8; see dcgan_doublings.
  DCGANOptions(std::int64_t channels, std::int64_t height, std::int64_t width)
      : channels_(channels), height_(height), width_(width) {}
  BACKFLOW_ARG(std::int64_t, channels);
  BACKFLOW_ARG(std::int64_t, height);
  BACKFLOW_ARG(std::int64_t, width);
  BACKFLOW_ARG(std::int64_t, latent) = 100;   ///< random numbers that an image is made of
  BACKFLOW_ARG(std::int64_t, features) = 64;  ///< channels next to the images; each halving doubles them
};

/// How often both sides of the images are halved, as 4 times from 64x64 to 4x4, and twice from 28x28 to 7x7. Throws
/// Error for images that can't be halved, or that end with a side above 16.
std::int64_t dcgan_doublings(const DCGANOptions& options);

/// Makes images of random numbers: transposed convolutions with batch normalization and ReLU, and tanh at the end.
/// Input [batch, latent, 1, 1] or [batch, latent], result [batch, channels, height, width] in (-1, 1).
class DCGANGeneratorImpl : public Module {
 public:
  explicit DCGANGeneratorImpl(const DCGANOptions& options_);

  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;

  DCGANOptions options;

 private:
  Sequential main_;
};
BACKFLOW_MODULE(DCGANGenerator);

/// Judges images: convolutions with batch normalization and leaky ReLU. Input [batch, channels, height, width], result
/// [batch, 1]: the logit of the probability that an image is real.
class DCGANDiscriminatorImpl : public Module {
 public:
  explicit DCGANDiscriminatorImpl(const DCGANOptions& options_);

  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;

  DCGANOptions options;

 private:
  Sequential main_;
};
BACKFLOW_MODULE(DCGANDiscriminator);

}  // namespace backflow::nn
