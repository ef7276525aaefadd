#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <backflow/nn/modules/container.h>
#include <backflow/nn/options/arg.h>

namespace backflow::nn {

/// The samples and the layers of an autoencoder.
class AutoencoderOptions {
 public:
  /// For samples of this shape, without the batch dimension.
  explicit AutoencoderOptions(std::vector<std::int64_t> sample_shape) : sample_shape_(std::move(sample_shape)) {}
  BACKFLOW_ARG(std::vector<std::int64_t>, sample_shape);
  BACKFLOW_ARG(std::vector<std::int64_t>, hidden) = {128};  ///< of the encoder; the decoder has them in reverse
  BACKFLOW_ARG(std::int64_t, latent) = 16;                  ///< numbers that a sample is encoded as
  BACKFLOW_ARG(std::string, output) = "identity";           ///< or "sigmoid" or "tanh", of the results
};

/// An autoencoder of linear layers with ReLU between them (Hinton and Salakhutdinov, Reducing the dimensionality of
/// data with neural networks, 2006). Input [batch, sample_shape...], result of the same shape. Parameters:
/// "encoder.0.weight", ..., "decoder.0.weight", ...
class AutoencoderImpl : public Module {
 public:
  /// Throws Error for sizes that are not positive, and for an unknown `output`.
  explicit AutoencoderImpl(const AutoencoderOptions& options_);

  Tensor forward(const Tensor& input) const { return decode(encode(input)); }
  Tensor encode(const Tensor& input) const;  ///< [batch, latent]
  Tensor decode(const Tensor& code) const;   ///< [batch, sample_shape...]
  /// Throws Error for samples of another shape.
  DimVector output_shape(IntArrayRef input) const override;

  AutoencoderOptions options;

 private:
  Sequential encoder_;
  Sequential decoder_;
};
BACKFLOW_MODULE(Autoencoder);

}  // namespace backflow::nn
