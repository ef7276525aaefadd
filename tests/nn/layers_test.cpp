// Modules without parameters and embeddings: what they print, which shapes they promise, what they refuse.
#include <sstream>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>

namespace F = backflow::nn::functional;
namespace nn = backflow::nn;
using backflow::DimVector;
using backflow::IntArrayRef;
using backflow::Tensor;

namespace {

template <class Module>
std::string printed(const Module& module) {
  std::ostringstream text;
  text << module;
  return text.str();
}

/// The shape that the module promises is that of its result.
template <class Module>
void check_shape(const Module& module, IntArrayRef sizes) {
  CAPTURE(printed(module));
  CHECK(module->output_shape(sizes) == DimVector(module->forward(backflow::ones(sizes)).sizes()));
}

}  // namespace

TEST_CASE("layers: what they print", "[nn]") {
  CHECK(printed(nn::ReLU()) == "ReLU()");
  CHECK(printed(nn::ReLU6(true)) == "ReLU6(inplace=true)");
  CHECK(printed(nn::ELU(nn::ELUOptions().alpha(0.5).inplace(true))) == "ELU(alpha=0.5, inplace=true)");
  CHECK(printed(nn::LeakyReLU()) == "LeakyReLU(negative_slope=0.01)");
  CHECK(printed(nn::Threshold(0.5, 20)) == "Threshold(threshold=0.5, value=20)");
  CHECK(printed(nn::Softmax(1)) == "Softmax(dim=1)");
  CHECK(printed(nn::Hardshrink(0.25)) == "Hardshrink(0.25)");
  CHECK(printed(nn::PReLU()) == "PReLU(num_parameters=1)");
  CHECK(printed(nn::Dropout(0.25)) == "Dropout(p=0.25, inplace=false)");
  CHECK(printed(nn::Embedding(5, 3)) == "Embedding(num_embeddings=5, embedding_dim=3)");
  CHECK(printed(nn::Embedding(nn::EmbeddingOptions(5, 3).padding_idx(-1).max_norm(2).scale_grad_by_freq(true))) ==
        "Embedding(num_embeddings=5, embedding_dim=3, padding_idx=4, max_norm=2, scale_grad_by_freq=true)");
  CHECK(printed(nn::PixelShuffle(2)) == "PixelShuffle(upscale_factor=2)");
  CHECK(printed(nn::ReflectionPad1d(2)) == "ReflectionPad1d(padding=[2, 2])");
  CHECK(printed(nn::ConstantPad1d(2, 3.5)) == "ConstantPad1d(padding=[2, 2], value=3.5)");
  CHECK(printed(
            nn::Upsample(nn::UpsampleOptions().scale_factor(std::vector<double>{2, 2.5}).mode(backflow::kBilinear))) ==
        "Upsample(scale_factor=[2, 2.5], mode=kBilinear)");
}

TEST_CASE("layers: the shapes that they promise", "[nn]") {
  check_shape(nn::GLU(1), {2, 6, 3});
  check_shape(nn::PReLU(nn::PReLUOptions().num_parameters(6)), {2, 6, 3});
  check_shape(nn::Softmax2d(), {2, 6, 3, 3});
  check_shape(nn::Dropout2d(), {2, 6, 3, 3});
  check_shape(nn::Dropout2d(), {6, 3, 3});
  check_shape(nn::Dropout3d(), {2, 6, 3, 3, 2});
  check_shape(nn::FeatureAlphaDropout(0.2), {2, 6, 3});
  check_shape(nn::PixelShuffle(2), {2, 8, 3, 5});
  check_shape(nn::PixelUnshuffle(2), {2, 2, 6, 4});
  check_shape(nn::ReflectionPad2d(2), {2, 2, 6, 4});
  check_shape(nn::ReplicationPad3d(nn::ReplicationPad3dOptions({1, 2, 0, 1, 2, 0})), {1, 2, 3, 4, 5});
  check_shape(nn::ZeroPad2d(1), {1, 2, 3, 4});
  check_shape(nn::ConstantPad3d(1, 2.0), {1, 2, 3, 4, 5});
  check_shape(nn::Upsample(nn::UpsampleOptions().scale_factor(std::vector<double>{1.5, 2})), {1, 2, 3, 4});
  check_shape(nn::Upsample(nn::UpsampleOptions().size(std::vector<std::int64_t>{7}).mode(backflow::kLinear)),
              {1, 2, 3});
  check_shape(nn::Unflatten(1, std::vector<std::int64_t>{2, -1}), {3, 6, 2});
  check_shape(nn::Identity(), {3});
  CHECK(nn::Embedding(7, 5)->output_shape({2, 3}) == DimVector({2, 3, 5}));
}

TEST_CASE("layers: dropout follows train and eval", "[nn]") {
  const backflow::DefaultGeneratorGuard guard({3, 0});
  nn::Dropout dropout(0.5);
  const Tensor x = backflow::ones({64, 64});
  CHECK(dropout(x).eq(0).any().item<bool>());
  dropout->eval();
  CHECK(dropout(x).is_same(x));
  dropout->train();
  CHECK_FALSE(dropout(x).is_same(x));
  nn::Dropout inplace(nn::DropoutOptions(0.5).inplace(true));
  CHECK(inplace(x).is_same(x));
  CHECK(x.eq(0).any().item<bool>());
}

TEST_CASE("layers: an embedding's table", "[nn]") {
  const backflow::DefaultGeneratorGuard guard({3, 0});
  nn::Embedding drawn(nn::EmbeddingOptions(200, 50).padding_idx(3));
  CHECK(drawn->weight.mean().item<double>() == Approx(0).margin(0.05));
  CHECK(drawn->weight.std().item<double>() == Approx(1).margin(0.05));
  CHECK(drawn->weight.select(0, 3).abs().sum().item<double>() == 0);
  const auto frozen = nn::Embedding::from_pretrained(backflow::ones({3, 2}));
  CHECK_FALSE(frozen->weight.requires_grad());
  CHECK_FALSE(frozen(backflow::tensor({0, 2})).requires_grad());
}

TEST_CASE("layers: dropout of channels warns of other numbers of dimensions, and drops features", "[nn]") {
  std::vector<std::string> warnings;
  const auto before = backflow::set_warning_handler([&](const std::string& text) { warnings.push_back(text); });
  nn::Dropout2d two(0.5);
  nn::Dropout3d three(0.5);
  for (const auto& sizes : std::vector<std::vector<std::int64_t>>{{3, 40, 2}, {2, 40, 3, 2}}) {
    two(backflow::ones(sizes));
  }
  for (const auto& sizes : std::vector<std::vector<std::int64_t>>{{3, 40, 2, 2}, {2, 40, 3, 2, 2}}) {
    three(backflow::ones(sizes));
  }
  CHECK(warnings.empty());
  const Tensor plane = two(backflow::ones({40, 50}));
  CHECK(warnings == std::vector<std::string>{"dropout2d: input f32[40, 50]: meant for 4 dimensions, or one fewer "
                                             "without a batch; dropout() is for elements"});
  CHECK(plane.ne(plane.select(1, 0).unsqueeze(1)).any().item<bool>());  // elements, not rows
  for (const auto& sizes : std::vector<std::vector<std::int64_t>>{{4, 50, 3, 3, 3}, {4, 50, 3}, {4, 50, 2, 2, 2, 2}}) {
    const Tensor y = sizes.size() == 3 ? three(backflow::ones(sizes)) : two(backflow::ones(sizes));
    const Tensor features = y.reshape({200, -1});
    CHECK(features.eq(features.select(1, 0).unsqueeze(1)).all().item<bool>());
    CHECK(features.eq(0).any().item<bool>());
    CHECK(features.eq(2).any().item<bool>());
  }
  CHECK(warnings.size() == 4);
  F::dropout2d(backflow::ones({40, 50}), F::Dropout2dFuncOptions().inplace(true));
  CHECK(warnings.size() == 5);
  backflow::set_warning_handler(before);
}

TEST_CASE("layers: what they refuse", "[nn]") {
  CHECK_THROWS_WITH(nn::Dropout(1.5), ContainsSubstring("dropout: probability 1.5: need one in [0, 1]"));
  CHECK_THROWS_WITH(nn::Hardtanh(nn::HardtanhOptions().min_val(2)), ContainsSubstring("need min_val < max_val"));
  CHECK_THROWS_WITH(nn::Embedding(nn::EmbeddingOptions(3, 2).padding_idx(3)), ContainsSubstring("need one in [-3, 3)"));
  CHECK_THROWS_WITH(nn::Embedding(nn::EmbeddingOptions(3, 2)._weight(backflow::ones({2, 2}))),
                    ContainsSubstring("need shape [3, 2]"));
  CHECK_THROWS_WITH(nn::ReflectionPad2dOptions({1, 2, 3}), ContainsSubstring("3 numbers: need one number, or 4"));
  const Tensor image = backflow::ones({1, 1, 3, 3});
  CHECK_THROWS_WITH(F::interpolate(image), ContainsSubstring("neither size and scale_factor"));
  CHECK_THROWS_WITH(
      F::interpolate(image,
                     F::InterpolateFuncOptions().size(std::vector<std::int64_t>{2, 2}).mode(backflow::kTrilinear)),
      ContainsSubstring("need kLinear for 3 dimensions"));
  CHECK_THROWS_WITH(F::dropout2d(backflow::ones({3})),
                    Equals("dropout2d: input f32[3]: need 4 dimensions, or one fewer without a batch; dropout() takes "
                           "any number"));
  CHECK_THROWS_WITH(nn::Unflatten(0, std::vector<std::int64_t>{2, 2})(backflow::ones({3})),
                    ContainsSubstring("unflatten: sizes [2, 2] of dimension 0"));
}
