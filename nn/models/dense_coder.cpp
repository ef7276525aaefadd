#include <backflow/nn/functional.h>
#include <backflow/nn/models/dense_coder_internal.h>
#include <backflow/nn/modules/activation.h>
#include <backflow/nn/modules/linear.h>

namespace backflow::nn::detail {

Sequential dense_encoder(const CoderSizes& sizes) {
  Sequential network;
  std::int64_t in = sizes.sample;
  for (const std::int64_t out : sizes.hidden) {
    network->push_back(Linear(in, out));
    network->push_back(ReLU());
    in = out;
  }
  return network;
}

Sequential dense_decoder(const CoderSizes& sizes) {
  Sequential network;
  std::int64_t in = sizes.latent;
  for (auto out = sizes.hidden.rbegin(); out != sizes.hidden.rend(); ++out) {
    network->push_back(Linear(in, *out));
    network->push_back(ReLU());
    in = *out;
  }
  network->push_back(Linear(in, sizes.sample));
  return network;
}

void check_output(const std::string& function) {
  check(function == "identity" || function == "sigmoid" || function == "tanh", "autoencoder: output '", function,
        "': need identity, sigmoid or tanh");
}

Tensor with_output(const Tensor& x, const std::string& function) {
  if (function == "sigmoid") {
    return functional::sigmoid(x);
  }
  if (function == "tanh") {
    return functional::tanh(x);
  }
  return x;
}

Tensor to_samples(const Tensor& x, const std::vector<std::int64_t>& sample_shape) {
  DimVector shape{x.size(0)};
  for (const std::int64_t size : sample_shape) {
    shape.push_back(size);
  }
  return x.reshape(shape);
}

DimVector coder_input(const char* where, IntArrayRef input, const std::vector<std::int64_t>& sample_shape) {
  const bool fits = input.size() == sample_shape.size() + 1 &&
                    std::equal(sample_shape.begin(), sample_shape.end(), input.begin() + 1);
  check(fits, where, ": input shape ", input, ": need a batch of samples ", IntArrayRef(sample_shape));
  return {input[0], numel_of(sample_shape)};
}

}  // namespace backflow::nn::detail
