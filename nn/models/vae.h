#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/options/arg.h>

namespace backflow::nn {

/// What the reconstruction of a variational autoencoder is measured with.
enum class Reconstruction {
  MeanSquares,   ///< the sum of squared differences, over 2: a normal distribution of variance 1
  CrossEntropy,  ///< binary cross-entropy of numbers in [0, 1]
};

/// The samples, the layers and the loss of a variational autoencoder.
class VAEOptions {
 public:
  /// For samples of this shape, without the batch dimension.
  explicit VAEOptions(std::vector<std::int64_t> sample_shape) : sample_shape_(std::move(sample_shape)) {}
  BACKFLOW_ARG(std::vector<std::int64_t>, sample_shape);
  BACKFLOW_ARG(std::vector<std::int64_t>, hidden) = {400};  ///< of the encoder; the decoder has them in reverse
  BACKFLOW_ARG(std::int64_t, latent) = 20;                  ///< numbers that a sample is encoded as
  BACKFLOW_ARG(Reconstruction, reconstruction) = Reconstruction::MeanSquares;
  BACKFLOW_ARG(double, beta) = 1;  ///< the weight of the Kullback-Leibler divergence (Higgins et al., 2017)
};

/// A variational autoencoder of linear layers with ReLU between them (Kingma and Welling, Auto-encoding variational
/// Bayes, 2014). The code is normally distributed, with mean and log variance that the encoder gives. Input [batch,
/// sample_shape...], result of the same shape. Parameters: "encoder.0.weight", ..., "mean.weight",
/// "log_variance.weight", "decoder.0.weight", ...
class VAEImpl : public Module {
 public:
  /// Throws Error for sizes that are not positive.
  explicit VAEImpl(const VAEOptions& options_);

  /// Mean and log variance of the code, [batch, latent] each.
  std::pair<Tensor, Tensor> encode(const Tensor& input) const;
  /// The samples of codes, [batch, sample_shape...].
  Tensor decode(const Tensor& code) const;
  /// The reconstruction: of a code that is drawn in training, and of the mean in evaluation.
  Tensor forward(const Tensor& input) const;
  /// Reconstruction and beta times the divergence of the code from a standard normal one, summed over the samples: the
  /// negative evidence lower bound. Throws Error for numbers outside [0, 1] with Reconstruction::CrossEntropy.
  Tensor loss_sum(const Tensor& input) const;
  /// Throws Error for samples of another shape.
  DimVector output_shape(IntArrayRef input) const override;

  VAEOptions options;

 private:
  Tensor draw(const Tensor& mean, const Tensor& log_variance) const;

  Sequential encoder_;
  Linear mean_{nullptr};
  Linear log_variance_{nullptr};
  Sequential decoder_;
};
BACKFLOW_MODULE(VAE);

}  // namespace backflow::nn
