#pragma once

// What autoencoders of linear layers have in common.

#include <algorithm>
#include <string>
#include <vector>

#include <backflow/nn/modules/container.h>
#include <backflow/runtime/tensor/shape.h>

namespace backflow::nn::detail {

/// The numbers of a sample, the hidden sizes, and the numbers of a code.
struct CoderSizes {
  std::int64_t sample;
  std::vector<std::int64_t> hidden;
  std::int64_t latent;
};

/// Those of an autoencoder's options. Throws Error for sizes that are not positive, and without hidden ones.
template <class Options>
CoderSizes coder_sizes(const char* where, const Options& options) {
  const auto positive = [](const std::vector<std::int64_t>& sizes) {
    return std::all_of(sizes.begin(), sizes.end(), [](std::int64_t n) { return n >= 1; });
  };
  check(positive(options.sample_shape()) && positive(options.hidden()) && !options.hidden().empty() &&
            options.latent() >= 1,
        where, ": samples ", IntArrayRef(options.sample_shape()), ", hidden ", IntArrayRef(options.hidden()),
        ", latent ", options.latent(), ": need positive sizes, and at least one hidden one");
  return {numel_of(options.sample_shape()), options.hidden(), options.latent()};
}

/// [batch, sample] to [batch, the last hidden size]: linear layers, a ReLU behind each.
Sequential dense_encoder(const CoderSizes& sizes);
/// [batch, latent] to [batch, sample]: linear layers with ReLU between them.
Sequential dense_decoder(const CoderSizes& sizes);
/// Throws Error for a function that with_output() does not have.
void check_output(const std::string& function);
/// x, or its sigmoid or tanh.
Tensor with_output(const Tensor& x, const std::string& function);
/// [batch, numbers] as [batch, sample_shape...].
Tensor to_samples(const Tensor& x, const std::vector<std::int64_t>& sample_shape);
/// The shape of flat samples, [batch, numbers]. Throws Error for samples of another shape.
DimVector coder_input(const char* where, IntArrayRef input, const std::vector<std::int64_t>& sample_shape);

}  // namespace backflow::nn::detail
