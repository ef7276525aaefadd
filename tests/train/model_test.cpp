// Configurations of models: what is built from them, and what is said about wrong ones.
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/nn/modules/branches.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>
#include <backflow/train/experiment.h>
#include <backflow/train/model/model.h>
#include <backflow/train/model/parameter_budget.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::train;
using test::bitwise_equal;

namespace {

const std::string kHead = "name = \"test\"\n[optimizer]\nlr = 0.1\n[model]\n";

/// The model of a text that follows a head of four lines, for samples of this shape and 4 classes.
Model model_of(const std::string& text, IntArrayRef sample_shape = {6}) {
  const io::Config config = io::Config::parse(kHead + text, "x.toml");
  manual_seed(1);
  return build_model(Experiment::read(config).model, sample_shape, 4, kFloat32);
}

std::string message_of(const std::string& text, IntArrayRef sample_shape = {6}) {
  try {
    model_of(text, sample_shape);
  } catch (const io::ConfigError& error) {
    return error.what();
  }
  return "";
}

const std::string kBranches = R"([[model.layers]]
type = "branches"
combine = "concat"
[[model.layers.branches]]
[[model.layers.branches]]
[[model.layers.branches.layers]]
type = "linear"
out_features = 3
[[model.layers.branches.layers]]
type = "branches"
[[model.layers.branches.layers.branches]]
layers = [{type = "tanh"}]
[[model.layers.branches.layers.branches]]
layers = [{type = "linear", out_features = 3, bias = false}]
[[model.layers]]
type = "linear"
out_features = 4
)";

/// [[model.layers]] of these inline tables, on one line, the fifth.
std::string layers(const std::string& list) { return "layers = [" + list + "]\n"; }

}  // namespace

TEST_CASE("model: every type of layer, with its keys", "[train]") {
  const Model model = model_of(layers("{type = 'flatten'}, {type = 'linear', out_features = 5}, {type = 'relu'}, "
                                      "{type = 'gelu', approximate = 'tanh'}, {type = 'dropout', p = 0.25}, "
                                      "{type = 'linear', in_features = 5, out_features = 4, bias = false}, "
                                      "{type = 'tanh'}, {type = 'sigmoid'}, {type = 'gelu'}"),
                               {1, 3, 2});
  CHECK(to_text(*model.module) ==
        "Sequential(\n  (0): Flatten(start_dim=1, end_dim=-1)\n"
        "  (1): Linear(in_features=6, out_features=5, bias=True)\n  (2): ReLU()\n  (3): GELU()\n"
        "  (4): Dropout(p=0.25, inplace=false)\n  (5): Linear(in_features=5, out_features=4, bias=False)\n"
        "  (6): Tanh()\n  (7): Sigmoid()\n  (8): GELU()\n)");
  CHECK(model.forward(test::random_tensor({7, 1, 3, 2}, "x")).sizes() == IntArrayRef({7, 4}));
}

TEST_CASE("model: the resolved form has the keys of each layer, with defaults", "[train]") {
  const io::Config config = io::Config::parse(
      kHead + layers("{type = 'flatten'}, {type = 'dropout'}, {type = 'gelu'}, {type = 'linear', out_features = 4}"),
      "x.toml", {"model.layers.1.p=0.125"});
  Experiment::read(config);
  const std::string text = config.resolved();
  CHECK_THAT(text, ContainsSubstring("type = \"flatten\"\nstart_dim = 1\nend_dim = -1\n") &&
                       ContainsSubstring("type = \"dropout\"\np = 0.125\n") &&
                       ContainsSubstring("type = \"gelu\"\napproximate = \"none\"\n") &&
                       ContainsSubstring("in_features = 0\nout_features = 4\nbias = true\n"));
  CHECK(config.resolved() == text);
}

TEST_CASE("model: a layer that does not fit is named with its place, path, type and shape", "[train]") {
  CHECK(message_of(layers("{type = 'relu'}, {type = 'linear', in_features = 5, out_features = 4}")) ==
        "x.toml:5:60: in [model.layers.1], linear: in_features 5 for inputs of shape [1, 6]: need in_features = 6");
  CHECK(
      message_of(layers("{type = 'flatten', start_dim = 3}"), {1, 6}) ==
      "x.toml:5:19: in [model.layers.0], flatten: dimension 3 of a tensor with 3 dimensions: need one in [-3, 2]; for "
      "inputs of shape [1, 1, 6]");
  CHECK(message_of(layers("{type = 'relu'}")) ==
        "x.toml:5:19: in [model.layers.0], relu: the last layer gives shape [6] for each sample: need [4]");
}

TEST_CASE("model: wrong keys of layers", "[train]") {
  CHECK_THAT(message_of(layers("{type = 'conv'}")),
             StartsWith("x.toml:5:19: 'type' in [model.layers.0] is \"conv\": need \"linear\", \"conv1d\", ") &&
                 ContainsSubstring("\"residual\" or \"use\""));
  CHECK_THAT(message_of(layers("{}")), StartsWith("x.toml:5:11: missing key 'type' in [model.layers.0]"));
  CHECK_THAT(message_of(layers("{type = 'linear'}")), ContainsSubstring("missing key 'out_features'"));
  CHECK_THAT(message_of(layers("{type = 'relu', p = 0.5}")),
             StartsWith("x.toml:5:27: unknown key 'p' in [model.layers.0]"));
  CHECK_THAT(message_of(layers("{type = 'dropout', p = 1.5}")),
             StartsWith("x.toml:5:34: 'p' in [model.layers.0] is 1.5: need a number"));
  CHECK_THAT(message_of(layers("{type = 'gelu', approximate = 'tan'}")), ContainsSubstring("did you mean \"tanh\"?"));
  CHECK_THAT(message_of(layers("{type = 'flatten', start_dim = 0}")),
             ContainsSubstring("need an integer of at least 1"));
}

TEST_CASE("model: branches in a configuration, and in branches", "[train]") {
  const Model model = model_of(kBranches);
  const auto p = model.module->named_parameters();
  CHECK(p.keys() == std::vector<std::string>{"0.1.0.weight", "0.1.0.bias", "0.1.1.1.0.weight", "1.weight", "1.bias"});
  const Tensor x = test::random_tensor({5, 6}, "x");
  const Tensor h = mm(x, p["0.1.0.weight"].t()) + p["0.1.0.bias"];
  const Tensor inner = tanh(h) + mm(h, p["0.1.1.1.0.weight"].t());
  const Tensor expected = mm(cat({x, inner}, 1), p["1.weight"].t()) + p["1.bias"];
  CHECK(test::distance(test::array_of(model.forward(x).detach()), test::array_of(expected.detach())) < 1e-6);
}

TEST_CASE("model: the resolved form of branches reads back as the same model", "[train]") {
  const io::Config config = io::Config::parse(kHead + kBranches, "x.toml");
  Experiment::read(config);
  const std::string resolved = config.resolved();
  CHECK_THAT(resolved, ContainsSubstring("combine = \"concat\"\ndim = 1\n") &&
                           ContainsSubstring("combine = \"sum\"\n") &&
                           ContainsSubstring("\n[[model.layers.branches.layers.branches.layers]]\ntype = \"tanh\"\n"));
  const io::Config again = io::Config::parse(resolved, "resolved.toml");
  manual_seed(1);
  const Model model = build_model(Experiment::read(again).model, {6}, 4, kFloat32);
  CHECK(again.resolved() == resolved);
  const Tensor x = test::random_tensor({5, 6}, "x");
  CHECK(bitwise_equal(model.forward(x), model_of(kBranches).forward(x)));
}

TEST_CASE("model: mistakes in branches are found with line and column", "[train]") {
  const std::string start = "[[model.layers]]\ntype = \"branches\"\n";
  CHECK(message_of(start) == "x.toml:5:1: no branches in [model.layers.0]: need at least one in 'branches'");
  CHECK_THAT(message_of(start + "combine = \"mean\"\n"), StartsWith("x.toml:7:11: 'combine' in [model.layers.0] is "));
  CHECK_THAT(message_of(start + "dim = 1\nbranches = [{}]\n"), StartsWith("x.toml:7:1: unknown key 'dim'"));
  CHECK(message_of(start + "combine = \"concat\"\ndim = 2\nbranches = [{}]\n") ==
        "x.toml:8:7: in [model.layers.0], branches: dimension 2 of a tensor with 2 dimensions: need one in [-2, 1]");
  CHECK(message_of(start + "branches = [{}, {layers = [{type = \"linear\", out_features = 5}]}]\n") ==
        "x.toml:7:27: in [model.layers.0.branches.1], branches: branch 1 gives shape [1, 5], those before it [1, 6]: "
        "need one shape for a sum");
  CHECK(message_of(start + "[[model.layers.branches]]\n[[model.layers.branches.layers]]\ntype = \"linear\"\n"
                           "in_features = 7\nout_features = 4\n") ==
        "x.toml:10:15: in [model.layers.0.branches.0.layers.0], linear: in_features 7 for inputs of shape [1, 6]: need "
        "in_features = 6");
  CHECK_THAT(message_of(start + "[[model.layers.branches]]\n[[model.layers.branches.layers]]\ntype = \"lineal\"\n"),
             StartsWith("x.toml:9:8: 'type' in [model.layers.0.branches.0.layers.0] is \"lineal\": need ") &&
                 ContainsSubstring("did you mean \"linear\"?"));
  CHECK_THAT(message_of(start + "branches = [{layer = []}]\n"),
             StartsWith("x.toml:7:14: unknown key 'layer' in [model.layers.0.branches.0]; did you mean 'layers'?"));
}

TEST_CASE("model: more parameters than memory are refused with the layer's place, before they are allocated",
          "[train]") {
  const auto message = [](const std::string& text, IntArrayRef sample_shape) {
    const std::string found = message_of(text, sample_shape);
    CHECK_THAT(found, ContainsSubstring("with this layer the model has ") &&
                          ContainsSubstring(" with their gradients and the optimizer's state: need at most the "));
    return found;
  };
  // 785 * 4 + 5 * 2^24 + (2^24 + 1) * 2^24 = 281,475,077,377,092.
  CHECK_THAT(
      message("hidden = [4, 16777216, 16777216]\n", {1, 28, 28}),
      StartsWith("x.toml:5:24: 'hidden[2]' in [model]: with this layer the model has 281475077377092 parameters, "
                 "which take 2.097e+06 GiB "));
  // (2^24 + 1) * 2^24 = 281,474,993,487,872.
  const DimVector wide = {1, 1, 16777216};
  CHECK_THAT(message(layers("{type = 'linear', out_features = 16777216}"), wide),
             StartsWith("x.toml:5:44: in [model.layers.0], linear: with this layer the model has 281474993487872 "));
  CHECK_THAT(message(layers("{type = 'linear', out_features = 16777216, bias = false}"), wide),
             ContainsSubstring("the model has 281474976710656 "));
  CHECK_THAT(message("[[model.layers]]\ntype = 'branches'\nbranches = [{layers = [{type = 'linear', out_features = "
                     "16777216}]}]\n",
                     wide),
             StartsWith("x.toml:7:57: in [model.layers.0.branches.0.layers.0], linear: "));
  // 2^24 filters of 2^48 numbers are more than an int64 counts.
  CHECK_THAT(
      message(layers("{type = 'conv2d', out_channels = 16777216, kernel_size = 16777216, padding = 16777216}"),
              {1, 28, 28}),
      StartsWith("x.toml:5:44: in [model.layers.0], conv2d: with this layer the model has 4.72236648286966e+21 "));
}

TEST_CASE("model: the budget counts parameters with what comes with them", "[train]") {
  // Three numbers of 4 bytes for each: 100 parameters take 1200 bytes.
  ParameterBudget budget(kFloat32, 3, 1200);
  CHECK(budget.take(60).empty());
  CHECK(budget.take(40).empty());
  CHECK_THAT(budget.take(1), StartsWith("with this layer the model has 101 parameters, which take "));
  CHECK(ParameterBudget(kFloat64, 3, 1200).take(51) != "");
  CHECK(ParameterBudget(kFloat32, 2, 1200).take(150).empty());
  CHECK(memory_of_machine() > 1 << 28);
}
