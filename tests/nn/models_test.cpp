#include <algorithm>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>

namespace nn = backflow::nn;
using backflow::DimVector;
using backflow::Error;
using backflow::Tensor;
using Strings = std::vector<std::string>;

namespace {

std::int64_t count(const nn::Module& model) {
  std::int64_t all = 0;
  for (const Tensor& p : model.parameters()) {
    all += p.numel();
  }
  return all;
}

/// That forward gives the shape that output_shape says, and every parameter a gradient.
template <class Model>
void check_shapes(const Model& model, const DimVector& input, const DimVector& output) {
  CHECK(model->output_shape(input) == output);
  const Tensor y = model(backflow::randn(input));
  CHECK(DimVector(y.sizes()) == output);
  y.sum().backward();
  for (const auto& parameter : model->named_parameters()) {
    INFO(parameter.key());
    CHECK(parameter.value().grad().defined());
  }
}

}  // namespace

TEST_CASE("models: LeNet", "[nn]") {
  const nn::LeNet model;
  CHECK(model->named_parameters().keys() ==
        Strings{"c1.weight", "c1.bias", "c2.weight", "c2.bias", "f1.weight", "f1.bias", "f2.weight", "f2.bias"});
  CHECK(count(*model) == 421642);
  check_shapes(model, {2, 1, 28, 28}, {2, 10});
  check_shapes(nn::LeNet(3), {1, 1, 28, 28}, {1, 3});
  CHECK_THROWS_AS(model->output_shape({2, 1, 32, 32}), Error);
  CHECK_THROWS_AS(model->output_shape({2, 3, 28, 28}), Error);
  CHECK_THROWS_AS(model(backflow::randn({2, 1, 32, 32})), Error);
}

TEST_CASE("models: an inception block has its branches' channels one after the other", "[nn]") {
  const nn::InceptionBlock block(5);
  CHECK(block->named_parameters().keys() == Strings{"b1.weight", "b1.bias", "b2a.weight", "b2a.bias", "b2b.weight",
                                                    "b2b.bias", "b3a.weight", "b3a.bias", "b3b.weight", "b3b.bias",
                                                    "b4.weight", "b4.bias"});
  check_shapes(block, {2, 5, 7, 9}, {2, 128, 7, 9});
  const Tensor x = backflow::randn({1, 5, 4, 4});
  const Tensor y = block(x);
  const auto parameter = [&](const char* name) { return block->named_parameters()[name]; };
  namespace F = backflow::nn::functional;
  const Tensor first = F::relu(F::conv2d(x, parameter("b1.weight"), F::Conv2dFuncOptions().bias(parameter("b1.bias"))));
  CHECK(backflow::equal(y.narrow(1, 0, 32), first));
  const Tensor pooled = F::max_pool2d(x, F::MaxPool2dFuncOptions(3).stride(1).padding(1));
  const Tensor last =
      F::relu(F::conv2d(pooled, parameter("b4.weight"), F::Conv2dFuncOptions().bias(parameter("b4.bias"))));
  CHECK(backflow::equal(y.narrow(1, 112, 16), last));
  CHECK_THROWS_AS(block->output_shape({5, 7, 9}), Error);
  CHECK_THROWS_AS(block->output_shape({1, 6, 7, 9}), Error);
}

TEST_CASE("models: the network of inception blocks", "[nn]") {
  const nn::InceptionNet model;
  const Strings names = model->named_parameters().keys();
  CHECK(names.size() == 52);
  CHECK(names.front() == "0.weight");
  CHECK(names[2] == "2.b1.weight");
  CHECK(names.back() == "9.bias");
  CHECK(count(*model) == 153290);
  check_shapes(nn::InceptionNet(7), {2, 3, 8, 6}, {2, 7});
}

TEST_CASE("models: ResNet-18", "[nn]") {
  const nn::ResNet18 paper;
  CHECK(count(*paper) == 11173962);
  CHECK(paper->output_shape({32, 3, 32, 32}) == DimVector{32, 10});
  CHECK_THROWS_AS(paper->output_shape({32, 1, 32, 32}), Error);

  const nn::ResNet18 model(5, 4);
  const Strings names = model->named_parameters().keys();
  CHECK(names.size() == 62);
  CHECK(Strings(names.begin(), names.begin() + 5) ==
        Strings{"conv1.weight", "bn1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer1.0.bn1.weight"});
  CHECK(names.back() == "fc.bias");
  check_shapes(model, {2, 3, 16, 16}, {2, 5});
  const Strings state = model->state_dict().keys();
  CHECK(state.size() == 122);
  CHECK(std::find(state.begin(), state.end(), "layer2.0.downsample.1.num_batches_tracked") != state.end());
}

TEST_CASE("models: a block of ResNet is its layers one by one, bit by bit", "[nn]") {
  namespace F = backflow::nn::functional;
  const nn::BasicBlock block(4, 6, 2);
  const auto p = block->named_parameters();
  const auto norm = [&](const Tensor& x, const std::string& name) {
    return F::batch_norm(x, {}, {},
                         F::BatchNormFuncOptions().weight(p[name + ".weight"]).bias(p[name + ".bias"]).training(true));
  };
  const auto convolution = [&](const Tensor& x, const std::string& name, int stride, int padding) {
    return F::conv2d(x, p[name + ".weight"], F::Conv2dFuncOptions().stride(stride).padding(padding));
  };
  const Tensor x = backflow::randn({2, 4, 7, 8});
  const Tensor y = norm(convolution(F::relu(norm(convolution(x, "conv1", 2, 1), "bn1")), "conv2", 1, 1), "bn2");
  const Tensor expected = F::relu(y + norm(convolution(x, "downsample.0", 2, 0), "downsample.1"));
  CHECK(backflow::equal(block(x), expected));
}

TEST_CASE("models: a block of ResNet has a shortcut of its own where the shape changes", "[nn]") {
  CHECK(nn::BasicBlock(4, 4)->named_children().keys() == Strings{"conv1", "bn1", "conv2", "bn2"});
  const nn::BasicBlock block(4, 6, 2);
  CHECK(block->named_children().keys() == Strings{"conv1", "bn1", "conv2", "bn2", "downsample"});
  check_shapes(block, {2, 4, 7, 8}, {2, 6, 4, 4});
}

TEST_CASE("models: a bottleneck block is its layers one by one", "[nn]") {
  namespace F = backflow::nn::functional;
  const nn::Bottleneck block(4, 3, 2);
  CHECK(block->named_children().keys() == Strings{"conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample"});
  CHECK(nn::Bottleneck(12, 3)->named_children().keys() == Strings{"conv1", "bn1", "conv2", "bn2", "conv3", "bn3"});
  check_shapes(block, {2, 4, 7, 8}, {2, 12, 4, 4});
  const auto p = block->named_parameters();
  const auto norm = [&](const Tensor& x, const std::string& name) {
    return F::batch_norm(x, {}, {},
                         F::BatchNormFuncOptions().weight(p[name + ".weight"]).bias(p[name + ".bias"]).training(true));
  };
  const auto convolution = [&](const Tensor& x, const std::string& name, int stride, int padding) {
    return F::conv2d(x, p[name + ".weight"], F::Conv2dFuncOptions().stride(stride).padding(padding));
  };
  const Tensor x = backflow::randn({2, 4, 7, 8});
  const Tensor a = F::relu(norm(convolution(x, "conv1", 1, 0), "bn1"));
  const Tensor b = F::relu(norm(convolution(a, "conv2", 2, 1), "bn2"));
  const Tensor y = norm(convolution(b, "conv3", 1, 0), "bn3");
  const Tensor expected = F::relu(y + norm(convolution(x, "downsample.0", 2, 0), "downsample.1"));
  CHECK(backflow::equal(block(x), expected));
}

TEST_CASE("models: residual networks with the ImageNet stem, and blocks that start as their shortcut", "[nn]") {
  const nn::ResNet model(nn::ResNetOptions::with_layers(50).width(2).classes(3).zero_init_residual(true));
  check_shapes(model, {2, 3, 33, 40}, {2, 3});
  CHECK((model->named_parameters()["layer1.0.bn3.weight"] == 0).all().item<bool>());
  CHECK_THROWS_AS(nn::ResNetOptions::with_layers(20), Error);
  CHECK_THROWS_AS(nn::ResNet(nn::ResNetOptions().blocks({})), Error);
  CHECK_THROWS_AS(nn::ResNet(nn::ResNetOptions().width(0)), Error);
}

TEST_CASE("models: LeNet and the inception network for other images", "[nn]") {
  check_shapes(nn::LeNet(nn::LeNetOptions(4).in_channels(3).height(9).width(6)), {2, 3, 9, 6}, {2, 4});
  CHECK_THROWS_AS(nn::LeNet(nn::LeNetOptions(4).height(3)), Error);
  check_shapes(nn::InceptionNet(4, 1), {2, 1, 6, 6}, {2, 4});
}

TEST_CASE("models: an MLP with another activation and dropout keeps the names of its layers", "[nn]") {
  const nn::MLP model(nn::MLPOptions({6, 5, 4, 3}).activation("tanh").dropout(0.5));
  CHECK(model->named_parameters().keys() == nn::MLP(6, 5, 4, 3)->named_parameters().keys());
  check_shapes(model, {4, 2, 3}, {4, 3});
  CHECK_THROWS_AS(nn::MLP(nn::MLPOptions({6, 5, 3}).activation("rely")), Error);
  model->eval();
  const Tensor x = backflow::randn({4, 6});
  CHECK(backflow::equal(model(x), model(x)));
}

TEST_CASE("models: an autoencoder gives samples back", "[nn]") {
  const nn::Autoencoder model(nn::AutoencoderOptions({2, 3, 4}).hidden({7, 5}).latent(2).output("sigmoid"));
  check_shapes(model, {3, 2, 3, 4}, {3, 2, 3, 4});
  CHECK(model->encode(backflow::randn({3, 2, 3, 4})).sizes() == backflow::IntArrayRef({3, 2}));
  CHECK(count(*model) == 25 * 7 + 8 * 5 + 6 * 2 + 3 * 5 + 6 * 7 + 8 * 24);
  const Tensor y = model(backflow::randn({3, 2, 3, 4}));
  CHECK((y > 0).all().item<bool>());
  CHECK((y < 1).all().item<bool>());
  CHECK_THROWS_AS(model->output_shape({3, 24}), Error);
  CHECK_THROWS_AS(nn::Autoencoder(nn::AutoencoderOptions({4}).output("relu")), Error);
  CHECK_THROWS_AS(nn::Autoencoder(nn::AutoencoderOptions({4}).hidden({})), Error);
}

TEST_CASE("models: the loss of a variational autoencoder is that of its formula", "[nn]") {
  const nn::VAE model(nn::VAEOptions({5}).hidden({4}).latent(3).beta(0.5));
  model->eval();  // no random numbers: the code is its mean
  const Tensor x = backflow::randn({6, 5});
  const auto [mean, log_variance] = model->encode(x);
  const Tensor squares = ((model->decode(mean) - x) * (model->decode(mean) - x)).sum() / 2;
  const Tensor divergence = (mean * mean + log_variance.exp() - log_variance - 1).sum() / 2;
  const double expected = (squares + divergence * 0.5).item<double>();
  CHECK(model->loss_sum(x).item<double>() == Approx(expected).epsilon(1e-5));
  CHECK(backflow::equal(model(x), model(x)));
  model->train();
  CHECK(!backflow::equal(model(x), model(x)));
  CHECK_THROWS_AS(model->output_shape({6, 4}), Error);

  const nn::VAE entropy(nn::VAEOptions({1, 2, 3}).reconstruction(nn::Reconstruction::CrossEntropy));
  const Tensor y = entropy(backflow::rand({4, 1, 2, 3}));
  CHECK(y.sizes() == backflow::IntArrayRef({4, 1, 2, 3}));
  CHECK((y > 0).all().item<bool>());
}

TEST_CASE("models: DCGAN makes and judges images of one shape", "[nn]") {
  const auto options = nn::DCGANOptions(3, 64, 64).features(4).latent(5);
  CHECK(nn::dcgan_doublings(options) == 4);
  const nn::DCGANGenerator generator(options);
  const nn::DCGANDiscriminator discriminator(options);
  check_shapes(generator, {2, 5, 1, 1}, {2, 3, 64, 64});
  check_shapes(discriminator, {2, 3, 64, 64}, {2, 1});
  CHECK(generator(backflow::randn({2, 5})).sizes() == backflow::IntArrayRef({2, 3, 64, 64}));
  // The names of PyTorch's example.
  CHECK(generator->named_parameters().keys() ==
        Strings{"main.0.weight", "main.1.weight", "main.1.bias", "main.3.weight", "main.4.weight", "main.4.bias",
                "main.6.weight", "main.7.weight", "main.7.bias", "main.9.weight", "main.10.weight", "main.10.bias",
                "main.12.weight"});
  CHECK(discriminator->named_parameters().keys() ==
        Strings{"main.0.weight", "main.2.weight", "main.3.weight", "main.3.bias", "main.5.weight", "main.6.weight",
                "main.6.bias", "main.8.weight", "main.9.weight", "main.9.bias", "main.11.weight"});
  CHECK(nn::dcgan_doublings(nn::DCGANOptions(1, 28, 28)) == 2);
  CHECK(nn::dcgan_doublings(nn::DCGANOptions(1, 32, 96)) == 3);
  CHECK_THROWS_AS(nn::dcgan_doublings(nn::DCGANOptions(1, 27, 27)), Error);
  CHECK_THROWS_AS(nn::dcgan_doublings(nn::DCGANOptions(1, 8, 512)), Error);
  CHECK_THROWS_AS(nn::DCGANGenerator(nn::DCGANOptions(1, 28, 28).latent(0)), Error);
  CHECK_THROWS_AS(discriminator->output_shape({2, 3, 32, 32}), Error);
}
