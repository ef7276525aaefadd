#include <backflow/nn/models/vae.h>

#include <backflow/nn/functional.h>
#include <backflow/nn/models/dense_coder_internal.h>
#include <backflow/nn/shape_observer.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>

namespace backflow::nn {

VAEImpl::VAEImpl(const VAEOptions& options_) : options(options_) {
  const detail::CoderSizes sizes = detail::coder_sizes("vae", options);
  encoder_ = register_module("encoder", detail::dense_encoder(sizes));
  mean_ = register_module("mean", Linear(sizes.hidden.back(), options.latent()));
  log_variance_ = register_module("log_variance", Linear(sizes.hidden.back(), options.latent()));
  decoder_ = register_module("decoder", detail::dense_decoder(sizes));
}

std::pair<Tensor, Tensor> VAEImpl::encode(const Tensor& input) const {
  const Tensor hidden = encoder_(input.flatten(1));
  return {mean_(hidden), log_variance_(hidden)};
}

Tensor VAEImpl::decode(const Tensor& code) const {
  const bool probabilities = options.reconstruction() == Reconstruction::CrossEntropy;
  return detail::to_samples(detail::with_output(decoder_(code), probabilities ? "sigmoid" : "identity"),
                            options.sample_shape());
}

Tensor VAEImpl::draw(const Tensor& mean, const Tensor& log_variance) const {
  return is_training() ? mean + (log_variance * 0.5).exp() * randn_like(mean) : mean;
}

Tensor VAEImpl::forward(const Tensor& input) const {
  const auto [mean, log_variance] = encode(input);
  return decode(draw(mean, log_variance));
}

Tensor VAEImpl::loss_sum(const Tensor& input) const {
  const auto [mean, log_variance] = encode(input);
  const Tensor results = decoder_(draw(mean, log_variance));
  const Tensor x = input.flatten(1);
  Tensor reconstruction;
  if (options.reconstruction() == Reconstruction::CrossEntropy) {
    reconstruction = functional::binary_cross_entropy_with_logits(
        results, x, functional::BinaryCrossEntropyWithLogitsFuncOptions().reduction(kSum));
  } else {
    reconstruction = functional::mse_loss(results, x, functional::MSELossFuncOptions().reduction(kSum)) * 0.5;
  }
  // KL(N(m, v) || N(0, 1)) = (m^2 + v - log v - 1) / 2 for each number of the code.
  const Tensor divergence = (mean * mean + log_variance.exp() - log_variance - 1).sum() * 0.5;
  return reconstruction + divergence * options.beta();
}

DimVector VAEImpl::output_shape(IntArrayRef input) const {
  const DimVector hidden =
      output_shape_of("encoder", *encoder_, detail::coder_input("vae", input, options.sample_shape()));
  const DimVector code = output_shape_of("mean", *mean_, hidden);
  output_shape_of("log_variance", *log_variance_, hidden);
  output_shape_of("decoder", *decoder_, code);
  return input;
}

}  // namespace backflow::nn
