#include <backflow/nn/models/autoencoder.h>
#include <backflow/nn/models/mlp.h>
#include <backflow/nn/models/vae.h>
#include <backflow/train/model/layers.h>
#include <backflow/train/model/named_models/named_model.h>

namespace backflow::train {
namespace {

constexpr io::IntegerRange kSizes = {.at_least = 1, .at_most = kMaxSize};

std::vector<std::int64_t> read_hidden(const io::Section& s, const io::Key& key,
                                      const std::optional<std::vector<std::int64_t>>& usual) {
  std::vector<std::int64_t> hidden = s.integers(key, kSizes, usual);
  if (hidden.size() > kMaxLayers) {
    s.fail("hidden", kMaxLayers, to_text("'hidden' in [model]: ", hidden.size(), " layers: need at most ", kMaxLayers));
  }
  return hidden;
}

double linear_parameters(std::int64_t in, std::int64_t out) {
  return (static_cast<double>(in) + 1) * static_cast<double>(out);
}

/// Takes the parameters of layers between these sizes from the budget; errors name the element of `hidden`.
void take_layers(const io::Section& s, const std::vector<std::int64_t>& sizes, const std::string& last,
                 ParameterBudget& budget) {
  const std::size_t hidden = sizes.size() - 2;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    const std::string problem = budget.take(linear_parameters(sizes[i], sizes[i + 1]));
    if (!problem.empty()) {
      const std::string layer = i < hidden ? to_text("'hidden[", i, "]'") : last;
      s.fail("hidden", i, to_text(layer, " in [model]: ", problem));
    }
  }
}

ModelOptions::Make mlp(const io::Section& s) {
  const auto hidden = read_hidden(s, {"hidden", "sizes of the hidden layers"}, {});
  const std::string activation =
      s.choice({"activation", "what stands between the layers"}, nn::MLPOptions::activations(), "relu");
  const double dropout = s.number({"dropout", "probability that training drops a number behind a hidden layer"},
                                  {.at_least = 0, .at_most = 1}, 0.0);
  return [=](const ModelRequest& request, ParameterBudget& budget) {
    check_numbers(s, "mlp", request);
    const std::int64_t outputs = outputs_of(s, "mlp", request);
    std::vector<std::int64_t> sizes = {numel_of(request.sample_shape)};
    sizes.insert(sizes.end(), hidden.begin(), hidden.end());
    sizes.push_back(outputs);
    take_layers(s, sizes, to_text("the ", outputs, " classes after 'hidden'"), budget);
    return model_of(nn::MLP(nn::MLPOptions(sizes).activation(activation).dropout(dropout)), request.output_shape);
  };
}

/// The sizes of the layers of a coder: encoder, code, decoder.
std::vector<std::int64_t> coder_sizes(const ModelRequest& request, const std::vector<std::int64_t>& hidden,
                                      std::int64_t latent) {
  std::vector<std::int64_t> sizes = {numel_of(request.sample_shape)};
  sizes.insert(sizes.end(), hidden.begin(), hidden.end());
  sizes.push_back(latent);
  sizes.insert(sizes.end(), hidden.rbegin(), hidden.rend());
  sizes.push_back(sizes.front());
  return sizes;
}

/// Throws ConfigError for a task that needs something else than the samples.
void check_coder(const io::Section& s, const std::string& name, const ModelRequest& request) {
  check_numbers(s, name, request);
  if (!request.any_output && request.output_shape != request.sample_shape) {
    s.fail("name", to_text("in [model], ", name, ": gives samples of shape ", request.sample_shape, ", the task needs ",
                           request.output_shape, ": need a task whose targets are the samples, or another model"));
  }
}

std::int64_t read_latent(const io::Section& s, std::int64_t usual) {
  return s.integer({"latent", "numbers that a sample is encoded as"}, kSizes, usual);
}

const io::Key kCoderHidden = {"hidden", "sizes of the encoder's hidden layers; the decoder has them in reverse"};

std::vector<std::int64_t> read_coder_hidden(const io::Section& s, std::int64_t usual) {
  std::vector<std::int64_t> hidden = read_hidden(s, kCoderHidden, std::vector<std::int64_t>{usual});
  if (hidden.empty()) {
    s.fail("hidden", "'hidden' in [model] is empty: need at least one size");
  }
  return hidden;
}

ModelOptions::Make autoencoder(const io::Section& s) {
  const auto hidden = read_coder_hidden(s, 128);
  const std::int64_t latent = read_latent(s, 16);
  const std::string output = s.choice({"output", "function of the results: `\"sigmoid\"` for data in [0, 1]"},
                                      {"identity", "sigmoid", "tanh"}, "identity");
  return [=](const ModelRequest& request, ParameterBudget& budget) {
    check_coder(s, "autoencoder", request);
    take_layers(s, coder_sizes(request, hidden, latent), "the decoder after 'hidden'", budget);
    const DimVector& shape = request.sample_shape;
    const nn::Autoencoder module(
        nn::AutoencoderOptions({shape.begin(), shape.end()}).hidden(hidden).latent(latent).output(output));
    Model model;
    model.module = module.ptr();
    model.forward = [module](const Tensor& x) { return module->forward(x); };
    model.output_shape = shape;
    return model;
  };
}

ModelOptions::Make vae(const io::Section& s) {
  const auto hidden = read_coder_hidden(s, 400);
  const std::int64_t latent = read_latent(s, 20);
  const bool entropy = s.choice({"reconstruction", "squared errors, or binary cross-entropy for data in [0, 1]"},
                                {"mse", "bce"}, "mse") == "bce";
  const double beta =
      s.number({"beta", "weight of the divergence of the code from a standard normal one"}, {.at_least = 0}, 1.0);
  return [=](const ModelRequest& request, ParameterBudget& budget) {
    check_coder(s, "vae", request);
    take_layers(s, coder_sizes(request, hidden, 2 * latent), "the decoder after 'hidden'", budget);
    const DimVector& shape = request.sample_shape;
    nn::VAEOptions options({shape.begin(), shape.end()});
    options.hidden(hidden).latent(latent).beta(beta).reconstruction(entropy ? nn::Reconstruction::CrossEntropy
                                                                            : nn::Reconstruction::MeanSquares);
    const nn::VAE module(options);
    Model model;
    model.module = module.ptr();
    model.forward = [module](const Tensor& x) { return module->forward(x); };
    model.loss_sum = [module](const Tensor& x, const Tensor&) { return module->loss_sum(x); };
    model.output_shape = shape;
    return model;
  };
}

}  // namespace

std::vector<ModelType> dense_models() {
  return {
      {"mlp", "a multilayer perceptron", mlp},
      {"autoencoder", "an autoencoder of linear layers", autoencoder},
      {"vae", "a variational autoencoder of linear layers, with its own loss", vae},
  };
}

}  // namespace backflow::train
