// Models by name: what they are made of, that they train, and what is said about wrong ones.
#include <algorithm>

#include <backflow/nn/functional.h>
#include <backflow/nn/module.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/ops/functions.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/train/layer_samples.h>
#include <backflow/train/model/model_registry.h>
#include <backflow/train/model/summary.h>

using namespace backflow;
using namespace backflow::train;
using test::model_options;

namespace {

Model model_of(const std::string& text, const DimVector& sample, const DimVector& output) {
  manual_seed(1);
  return build_model(model_options(text), {.sample_shape = sample, .output_shape = output});
}

std::string message_of(const std::string& text, const DimVector& sample, const DimVector& output) {
  try {
    model_of(text, sample, output);
  } catch (const io::ConfigError& error) {
    return error.what();
  }
  return "";
}

std::int64_t count(const nn::Module& module) {
  std::int64_t all = 0;
  for (const Tensor& parameter : module.parameters()) {
    all += parameter.numel();
  }
  return all;
}

/// The loss of a batch: the model's own, or the squares of what it gives.
Tensor loss_of(const Model& model, const Tensor& x) {
  if (model.loss_sum) {
    return model.loss_sum(x, x);
  }
  if (model.generator != nullptr) {
    const Tensor fake = model.judge(model.sample(x.size(0)));
    return (model.judge(x).sigmoid() - fake.sigmoid()).sum();
  }
  const Tensor y = model.forward(x);
  return ((y - 1) * (y - 1)).sum();
}

struct NamedCase {
  std::string text;
  DimVector sample;
  DimVector output;
};

const std::vector<NamedCase>& named_cases() {
  static const std::vector<NamedCase> kCases = {
      {"name = 'mlp'\nhidden = [8, 4]\nactivation = 'gelu'\ndropout = 0.25\n", {2, 3}, {3}},
      {"name = 'mlp'\nhidden = []\n", {6}, {2, 2}},
      {"name = 'lenet'\n", {3, 9, 8}, {4}},
      {"name = 'resnet18'\nwidth = 4\n", {1, 16, 16}, {4}},
      {"name = 'resnet34'\nwidth = 2\nstem = 'imagenet'\n", {3, 32, 32}, {4}},
      {"name = 'resnet50'\nwidth = 2\nzero_init_residual = true\n", {3, 16, 16}, {4}},
      {"name = 'inception'\n", {2, 8, 8}, {4}},
      {"name = 'autoencoder'\nhidden = [8]\nlatent = 2\noutput = 'sigmoid'\n", {1, 4, 3}, {1, 4, 3}},
      {"name = 'vae'\nhidden = [8]\nlatent = 2\n", {5}, {5}},
      {"name = 'vae'\nhidden = [8, 6]\nlatent = 2\nreconstruction = 'bce'\nbeta = 0.5\n", {1, 3, 3}, {1, 3, 3}},
      {"name = 'dcgan'\nlatent = 3\nfeatures = 4\n", {1, 8, 12}, {1}},
      {"name = 'layers'\nlayers = [{type = 'linear', out_features = 4}]\n", {6}, {4}}};
  return kCases;
}

}  // namespace

TEST_CASE("models by name: each trains a step", "[train]") {
  for (const NamedCase& c : named_cases()) {
    CAPTURE(c.text);
    const Model model = model_of(c.text, c.sample, c.output);
    CHECK(model.output_shape == c.output);
    CHECK(model.classes == (c.output.size() == 1 ? c.output[0] : 0));
    DimVector batch = c.sample;
    batch.insert(0, 3);
    const Tensor x = rand(batch);
    optim::SGD optimizer(model.module->parameters(), optim::SGDOptions(0.01));
    std::vector<Tensor> before;
    for (const Tensor& parameter : model.module->parameters()) {
      before.push_back(parameter.detach().clone());
    }
    loss_of(model, x).backward();
    for (const auto& parameter : model.module->named_parameters()) {
      CAPTURE(parameter.key());
      REQUIRE(parameter.value().grad().defined());
      CHECK(parameter.value().grad().isfinite().all().item<bool>());
    }
    optimizer.step();
    std::size_t changed = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      changed += before[i].equal(model.module->parameters()[i].detach()) ? 0 : 1;
    }
    CHECK(changed > 0);
    DimVector output = c.output;
    output.insert(0, 3);
    CHECK(DimVector(model.forward(x).sizes()) == output);
    if (model.sample) {
      CHECK(DimVector(model.sample(3).sizes()) == batch);
    }
  }
}

TEST_CASE("models by name: every name has a case here", "[train]") {
  for (const ModelType& type : model_types()) {
    CAPTURE(type.name);
    const bool has = std::any_of(named_cases().begin(), named_cases().end(), [&](const NamedCase& c) {
      return c.text.starts_with("name = '" + type.name + "'\n");
    });
    CHECK((has || type.name.starts_with("test_")));
  }
}

TEST_CASE("models by name: residual networks have torchvision's parameters", "[train]") {
  const auto resnet = [](const std::string& name) {
    return model_of("name = '" + name + "'\n", {3, 224, 224}, {1000});
  };
  const Model small = resnet("resnet18");
  CHECK(count(*small.module) == 11'689'512);
  CHECK(count(*resnet("resnet34").module) == 21'797'672);
  const Model large = resnet("resnet50");
  CHECK(count(*large.module) == 25'557'032);
  const auto keys = large.module->state_dict().keys();
  CHECK(keys.size() == 320);
  CHECK(std::vector<std::string>(keys.begin(), keys.begin() + 7) ==
        std::vector<std::string>{"conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var",
                                 "bn1.num_batches_tracked", "layer1.0.conv1.weight"});
  for (const char* name : {"layer1.0.downsample.0.weight", "layer1.0.downsample.1.running_var", "layer4.2.bn3.bias",
                           "layer3.5.conv2.weight", "fc.weight", "fc.bias"}) {
    CAPTURE(name);
    CHECK(std::find(keys.begin(), keys.end(), name) != keys.end());
  }
  CHECK(small.module->state_dict().keys().size() == 122);
}

TEST_CASE("models by name: the stem follows the size of the images, unless it is said", "[train]") {
  const auto first = [](const std::string& text, const DimVector& sample) {
    return DimVector(model_of("name = 'resnet18'\nwidth = 4\n" + text, sample, {2}).module->parameters()[0].sizes());
  };
  CHECK(first("", {3, 32, 32}) == DimVector{4, 3, 3, 3});
  CHECK(first("", {3, 96, 96}) == DimVector{4, 3, 7, 7});
  CHECK(first("stem = 'cifar'\n", {3, 96, 96}) == DimVector{4, 3, 3, 3});
  CHECK(first("stem = 'imagenet'\n", {3, 32, 32}) == DimVector{4, 3, 7, 7});
}

TEST_CASE("models by name: a summary has the layers, their shapes, parameters and operations", "[train]") {
  const auto totals = [](const std::string& name) {
    const Model model = model_of("name = '" + name + "'\n", {3, 224, 224}, {1000});
    std::pair<std::int64_t, double> total;
    for (const LayerSummary& layer : summarize(model, {3, 224, 224})) {
      total.first += layer.parameters;
      total.second += layer.flop;
    }
    return total;
  };
  // Multiply-adds as fvcore counts them for torchvision's networks.
  CHECK(totals("resnet18") == std::pair<std::int64_t, double>(11'689'512, 2 * 1'814'073'344.0));
  CHECK(totals("resnet50") == std::pair<std::int64_t, double>(25'557'032, 2 * 4'089'184'256.0));

  const Model model = model_of("name = 'resnet18'\nwidth = 4\n", {3, 8, 8}, {2});
  const std::vector<LayerSummary> layers = summarize(model, {3, 8, 8});
  CHECK(layers.front().path == "conv1");
  CHECK(layers.front().type == "Conv2d");
  CHECK(layers.front().input_shape == DimVector{3, 8, 8});
  CHECK(layers.front().output_shape == DimVector{4, 8, 8});
  CHECK(layers.front().parameters == 108);
  CHECK(layers.front().flop == 2 * 108 * 64.0);
  CHECK(layers.back().path == "fc");
  CHECK(layers.back().input_shape == DimVector{32});
  CHECK(layers.back().output_shape == DimVector{2});
}

TEST_CASE("models by name: summaries of all count each parameter once", "[train]") {
  for (const NamedCase& c : named_cases()) {
    CAPTURE(c.text);
    const Model model = model_of(c.text, c.sample, c.output);
    std::int64_t parameters = 0;
    for (const LayerSummary& layer : summarize(model, c.sample)) {
      parameters += layer.parameters;
    }
    CHECK(parameters == count(*model.module));
    CHECK(summarize(model, c.sample).back().type != "Sequential");
  }
}

TEST_CASE("models by name: samples, outputs and sizes that don't fit are refused with their place", "[train]") {
  CHECK(message_of("name = 'resnet18'\n", {784}, {10}) ==
        "x.toml:2:8: in [model], resnet18: samples of shape [784]: need images [channels, height, width]");
  CHECK(message_of("name = 'lenet'\n", {1, 3, 28}, {10}) ==
        "x.toml:2:8: in [model], lenet: samples of shape [1, 3, 28]: need images of at least 4x4");
  CHECK(message_of("name = 'autoencoder'\n", {1, 28, 28}, {10}) ==
        "x.toml:2:8: in [model], autoencoder: gives samples of shape [1, 28, 28], the task needs [10]: need a task "
        "whose targets are the samples, or another model");
  CHECK_THAT(message_of("name = 'dcgan'\n", {1, 27, 27}, {1}),
             StartsWith("x.toml:2:8: in [model], dcgan: images of 27x27: need even sides "));
  CHECK_THAT(message_of("name = 'resnet50'\nwidth = 16777216\n", {3, 32, 32}, {10}),
             StartsWith("x.toml:3:9: in [model], resnet50: with this layer the model has "));
  CHECK_THAT(message_of("name = 'dcgan'\nfeatures = 16777216\n", {3, 32, 32}, {1}), StartsWith("x.toml:3:12: "));
  CHECK_THAT(message_of("name = 'vae'\nhidden = [4, 16777216, 16777216]\n", {1, 2, 2}, {1, 2, 2}),
             StartsWith("x.toml:3:24: 'hidden[2]' in [model]: with this layer "));
  CHECK_THAT(message_of("name = 'mlp'\nhidden = [4]\nstem = 'cifar'\n", {6}, {2}),
             StartsWith("x.toml:4:1: unknown key 'stem' in [model]"));
  CHECK_THAT(message_of("name = 'resnet19'\n", {3, 8, 8}, {2}),
             StartsWith("x.toml:2:8: 'name' in [model] is \"resnet19\": need ") &&
                 ContainsSubstring("did you mean \"resnet18\"?"));
}

TEST_CASE("models by name: the outputs of a dump's model are found by its parameters", "[train]") {
  for (const char* text : {"name = 'mlp'\nhidden = [8, 4]\ndropout = 0.5\n", "name = 'resnet18'\nwidth = 2\n",
                           "name = 'lenet'\n", "name = 'inception'\n"}) {
    CAPTURE(text);
    const DimVector sample = {3, 8, 8};
    const Model model = model_of(text, sample, {7});
    io::NamedTensors parameters;
    for (const auto& parameter : model.module->named_parameters()) {
      parameters.emplace_back(parameter.key(), parameter.value());
    }
    CHECK(saved_outputs(model_options(text), {.sample_shape = sample, .output_shape = {}}, parameters) == 7);
    CHECK(saved_outputs(model_options(text), {.sample_shape = sample, .output_shape = {}}, {}) == 0);
  }
}

namespace {

/// Without output_shape.
struct OwnNetwork : nn::Module {
  explicit OwnNetwork(std::int64_t in, std::int64_t out) : fc(register_module("fc", nn::Linear(in, out))) {}
  Tensor forward(const Tensor& x) const { return fc(x); }
  nn::Linear fc;
};

}  // namespace

TEST_CASE("models by name: a program registers its own, which is summarized as one layer", "[train]") {
  ModelType type{.name = "test_own", .sentence = "a network of a test", .read = [](const io::Section& s) {
                   const std::int64_t factor = s.integer({"factor", "of the results"}, {.at_least = 1}, 2);
                   return ModelOptions::Make([factor](const ModelRequest& request, ParameterBudget&) {
                     const auto module = std::make_shared<OwnNetwork>(request.sample_shape[0], request.output_shape[0]);
                     Model model;
                     model.module = module;
                     model.forward = [module, factor](const Tensor& x) { return module->forward(x) * factor; };
                     model.output_shape = request.output_shape;
                     return model;
                   });
                 }};
  register_model(type);
  CHECK_THROWS_AS(register_model(type), Error);
  const Model model = model_of("name = 'test_own'\nfactor = 3\n", {5}, {2});
  CHECK(DimVector(model.forward(randn({4, 5})).sizes()) == DimVector{4, 2});
  const std::vector<LayerSummary> layers = summarize(model, {5});
  REQUIRE(layers.size() == 1);
  CHECK(layers[0].type == "OwnNetwork");
  CHECK(layers[0].parameters == 12);
  CHECK(layers[0].output_shape == DimVector{2});
  CHECK(model.module->is_training());
  CHECK_THAT(message_of("name = 'test_own'\nfactor = 0\n", {5}, {2}), StartsWith("x.toml:3:10: 'factor' in [model]"));
}
