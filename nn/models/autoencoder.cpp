#include <backflow/nn/models/autoencoder.h>

#include <backflow/nn/models/dense_coder_internal.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/shape_observer.h>

namespace backflow::nn {

AutoencoderImpl::AutoencoderImpl(const AutoencoderOptions& options_) : options(options_) {
  detail::check_output(options.output());
  const detail::CoderSizes sizes = detail::coder_sizes("autoencoder", options);
  encoder_ = register_module("encoder", detail::dense_encoder(sizes));
  encoder_->push_back(Linear(sizes.hidden.back(), options.latent()));
  decoder_ = register_module("decoder", detail::dense_decoder(sizes));
}

Tensor AutoencoderImpl::encode(const Tensor& input) const { return encoder_(input.flatten(1)); }

Tensor AutoencoderImpl::decode(const Tensor& code) const {
  return detail::to_samples(detail::with_output(decoder_(code), options.output()), options.sample_shape());
}

DimVector AutoencoderImpl::output_shape(IntArrayRef input) const {
  DimVector shape = detail::coder_input("autoencoder", input, options.sample_shape());
  output_shape_of("decoder", *decoder_, output_shape_of("encoder", *encoder_, shape));
  return input;
}

}  // namespace backflow::nn
