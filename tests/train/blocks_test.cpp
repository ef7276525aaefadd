// Blocks of layers that are used again, and residual layers.
#include <backflow/nn/module.h>
#include <backflow/ops/functions.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/train/layer_samples.h>

using namespace backflow;
using namespace backflow::train;
using test::any_of;
using test::bitwise_equal;
using test::model_options;

namespace {

Model model_of(const std::string& text, IntArrayRef sample_shape = {6}) {
  manual_seed(1);
  return build_model(model_options(text), any_of(sample_shape));
}

std::string message_of(const std::string& text, IntArrayRef sample_shape = {6}) {
  try {
    model_of(text, sample_shape);
  } catch (const io::ConfigError& error) {
    return error.what();
  }
  return "";
}

/// Both texts give the same network: names, parameters, and results bit by bit.
void check_same(const std::string& first, const std::string& second, IntArrayRef sample_shape) {
  const Model a = model_of(first, sample_shape);
  const Model b = model_of(second, sample_shape);
  CHECK(to_text(*a.module) == to_text(*b.module));
  CHECK(a.module->state_dict().keys() == b.module->state_dict().keys());
  DimVector batch(sample_shape);
  batch.insert(0, 4);
  const Tensor x = randn(batch);
  CHECK(bitwise_equal(a.forward(x), b.forward(x)));
}

const std::string kBlock = R"([model.blocks.dense]
layers = [{type = "linear", out_features = "$size"}, {type = "$activation"}, {type = "dropout", p = "$p"}]
defaults = {activation = "relu", p = 0}
)";

}  // namespace

TEST_CASE("blocks: a block stands for its layers, as often as it is used and repeated", "[train]") {
  check_same(
      "layers = [{use = 'dense', size = 5}, {use = 'dense', size = 4, activation = 'tanh', repeat = 2}]\n" + kBlock,
      "layers = [{type = 'linear', out_features = 5}, {type = 'relu'}, {type = 'dropout', p = 0}, "
      "{type = 'linear', out_features = 4}, {type = 'tanh'}, {type = 'dropout', p = 0}, "
      "{type = 'linear', out_features = 4}, {type = 'tanh'}, {type = 'dropout', p = 0}]\n",
      {6});
}

TEST_CASE("blocks: blocks use blocks, and hand on their parameters", "[train]") {
  const std::string blocks = R"([model.blocks.conv]
layers = [{type = "conv2d", out_channels = "$channels", kernel_size = "$kernel", padding = "$pad"},
          {type = "batch_norm2d"}, {type = "relu"}]
[model.blocks.conv.defaults]
kernel = [3, 3]
pad = "same"
[model.blocks.pair]
layers = [{type = "residual", projection = true, layers = [{use = "conv", channels = "$channels", repeat = 2}]}]
)";
  const std::string conv =
      "{type = 'conv2d', out_channels = 4, kernel_size = 3, padding = 'same'}, {type = 'batch_norm2d'}, {type = "
      "'relu'}";
  const std::string pair = "{type = 'residual', projection = true, layers = [" + conv + ", " + conv + "]}";
  check_same("layers = [{use = 'pair', channels = 4, repeat = 2}]\n" + blocks,
             "layers = [" + pair + ", " + pair + "]\n", {3, 5, 6});
}

TEST_CASE("blocks: defaults that follow from other keys are those of each use", "[train]") {
  check_same(
      "layers = [{use = 'pool', k = 2}, {use = 'pool', k = 3}]\n"
      "blocks.pool.layers = [{type = 'max_pool2d', kernel_size = '$k'}]\n",
      "layers = [{type = 'max_pool2d', kernel_size = 2}, {type = 'max_pool2d', kernel_size = 3}]\n", {1, 12, 12});
}

TEST_CASE("blocks: the resolved form reads back as the same model", "[train]") {
  const std::string text = "layers = [{use = 'dense', size = 5}, {use = 'dense', size = 4, repeat = 2}]\n" + kBlock;
  const io::Config config = io::Config::parse("[model]\n" + text, "x.toml");
  read_model(config.section("model"));
  const std::string resolved = config.resolved();
  CHECK_THAT(resolved, ContainsSubstring("out_features = \"$size\"") && ContainsSubstring("repeat = 2"));
  const std::size_t head = resolved.find('\n') + 1;
  check_same(resolved.substr(head), text, {6});
}

TEST_CASE("blocks: mistakes are found where they are", "[train]") {
  CHECK_THAT(
      message_of("layers = [{use = 'dens', size = 5}]\n" + kBlock),
      StartsWith("x.toml:2:18: in [model.layers.0], use: no block 'dens': need one of [model.blocks]: \"dense\""));
  CHECK(message_of("layers = [{use = 'dense'}]\n" + kBlock) ==
        "x.toml:2:18: in [model.layers.0], use: block 'dense' has the parameter 'size', the 'out_features' of "
        "[model.blocks.dense.layers.0]: need 'size' beside 'use', or in [model.blocks.dense.defaults]");
  // A wrong value stands where the block is used.
  CHECK_THAT(message_of("layers = [{use = 'dense', size = 0}]\n" + kBlock),
             StartsWith("x.toml:2:34: 'size' in [model.layers.0] is 0: need an integer from 1 to "));
  CHECK_THAT(message_of("layers = [{use = 'dense', size = 3, p = 'x'}]\n" + kBlock),
             StartsWith("x.toml:2:41: 'p' in [model.layers.0] is a string: need a number"));
  CHECK_THAT(message_of("layers = [{use = 'dense', size = 3, activation = 'rely'}]\n" + kBlock),
             StartsWith("x.toml:2:50: 'activation' in [model.layers.0] is \"rely\": need "));
  CHECK_THAT(message_of("layers = [{use = 'dense', size = 3, sice = 4}]\n" + kBlock),
             StartsWith("x.toml:2:37: unknown key 'sice' in [model.layers.0]; did you mean 'size'?"));
  CHECK_THAT(message_of("layers = [{use = 'dense', size = 3, repeat = 0}]\n" + kBlock),
             StartsWith("x.toml:2:46: 'repeat' in [model.layers.0] is 0: need an integer from 1 to "));
  CHECK_THAT(message_of("layers = [{type = 'linear', out_features = 3}]\n" + kBlock),
             ContainsSubstring("[model.blocks.dense") && ContainsSubstring("no layer uses this block"));
  CHECK_THAT(message_of("layers = [{use = 'dense', size = 3}]\nblocks.dense.layers = []\n"),
             ContainsSubstring("block 'dense' has no layers"));
  // A layer of the block that does not take its input names the block's layer, and the use.
  CHECK(message_of("layers = [{type = 'tanh'}, {use = 'conv', n = 4}]\n"
                   "blocks.conv.layers = [{type = 'conv2d', out_channels = '$n', kernel_size = 3}]\n") ==
        "x.toml:3:31: in [model.blocks.conv.layers.0], conv2d: inputs of shape [1, 6]: need [batch, channels, height, "
        "width]; in block 'conv' of [model.layers.1], x.toml:2:35");
}

TEST_CASE("blocks: blocks that use themselves, and too many layers, are refused", "[train]") {
  CHECK_THAT(message_of("layers = [{use = 'a'}]\n[model.blocks]\na.layers = [{use = 'b'}]\nb.layers = [{use = 'a'}]\n"),
             StartsWith("x.toml:5:20: in [model.blocks.b.layers.0], use: block 'a' uses itself"));
  // 10 to the 30th.
  std::string text = "layers = [{use = 'b0', repeat = 10}]\n[model.blocks]\n";
  for (int i = 0; i < 30; ++i) {
    text += to_text("b", i, ".layers = [{use = 'b", i + 1, "', repeat = 10}]\n");
  }
  text += "b30.layers = [{type = 'relu'}]\n";
  CHECK_THAT(message_of(text), ContainsSubstring("more than 10000 layers"));
  // A use doubles what the one before has, 30 times.
  text = "layers = [{use = 'b0'}]\n[model.blocks]\n";
  for (int i = 0; i < 30; ++i) {
    text += to_text("b", i, ".layers = [{use = 'b", i + 1, "'}, {use = 'b", i + 1, "'}]\n");
  }
  text += "b30.layers = [{type = 'relu'}]\n";
  CHECK_THAT(message_of(text), ContainsSubstring("more than 10000 layers"));
  CHECK(message_of("layers = [{use = 'b', repeat = 10000}]\nblocks.b.layers = [{type = 'relu'}]\n") == "");
}

TEST_CASE("residual: the short form of two branches that are added", "[train]") {
  check_same(
      "layers = [{type = 'residual', layers = [{type = 'linear', out_features = 6}, {type = 'tanh'}]}]\n",
      "layers = [{type = 'branches', branches = [{layers = [{type = 'linear', out_features = 6}, {type = 'tanh'}]}, "
      "{}]}]\n",
      {6});
  check_same(
      "layers = [{type = 'residual', layers = [{type = 'linear', out_features = 3}], shortcut = [{type = 'linear', "
      "out_features = 3, bias = false}]}]\n",
      "layers = [{type = 'branches', branches = [{layers = [{type = 'linear', out_features = 3}]}, {layers = [{type "
      "= 'linear', out_features = 3, bias = false}]}]}]\n",
      {6});
}

TEST_CASE("residual: a projection where shapes differ, and none where they don't", "[train]") {
  const auto layers = [](const std::string& conv) {
    return "layers = [{type = 'residual', projection = true, layers = [{type = 'conv2d', kernel_size = 3, padding = "
           "1, " +
           conv + "}]}]\n";
  };
  check_same(
      layers("out_channels = 5, stride = 2"),
      "layers = [{type = 'residual', layers = [{type = 'conv2d', kernel_size = 3, padding = 1, out_channels = 5, "
      "stride = 2}], shortcut = [{type = 'conv2d', kernel_size = 1, stride = 2, out_channels = 5, bias = false}, "
      "{type = 'batch_norm2d'}]}]\n",
      {3, 7, 8});
  CHECK(model_of(layers("out_channels = 3"), {3, 7, 8}).module->parameters().size() == 2);
  CHECK(model_of("layers = [{type = 'residual', projection = true, layers = [{type = 'linear', out_features = 3}]}]\n")
            .output_shape == DimVector{3});
}

TEST_CASE("residual: mistakes", "[train]") {
  CHECK(
      message_of("layers = [{type = 'residual', layers = [{type = 'linear', out_features = 3}]}]\n") ==
      "x.toml:2:40: in [model.layers.0], residual: the layers give shape [1, 3], the shortcut [1, 6]: need one shape; "
      "'shortcut' takes layers, and projection = true makes them");
  CHECK_THAT(message_of("layers = [{type = 'residual'}]\n"),
             StartsWith("x.toml:2:11: ") && ContainsSubstring("'layers'"));
  CHECK_THAT(
      message_of("layers = [{type = 'residual', projection = true, layers = [{type = 'tanh'}], shortcut = [{type = "
                 "'tanh'}]}]\n"),
      ContainsSubstring("need one of the two"));
  // No 1x1 convolution makes 3x3 of 7x8.
  CHECK_THAT(message_of("layers = [{type = 'residual', projection = true, layers = [{type = 'adaptive_avg_pool2d', "
                        "output_size = 5}]}]\n",
                        {3, 7, 8}),
             ContainsSubstring("the layers give shape [1, 3, 5, 5], the shortcut [1, 3, 7, 8]"));
}
