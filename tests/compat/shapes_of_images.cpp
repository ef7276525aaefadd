// Modules that resize, pad and rearrange, and embeddings.
#include <vector>

#include <backflow/tests/compat/torch_api.h>

namespace F = torch::nn::functional;
namespace nn = torch::nn;

namespace {

torch::Tensor image(std::vector<int64_t> sizes) {
  int64_t n = 1;
  for (int64_t size : sizes) {
    n *= size;
  }
  return ((torch::arange(n, torch::kFloat32) * 7) % 11 * 0.25).reshape(sizes).set_requires_grad(true);
}

/// The result of a module and the gradient of the sum of its squares.
template <class Module>
void run(const char* name, Module module, const torch::Tensor& x) {
  auto y = module->forward(x);
  show(name, y);
  auto leaf = x.detach().clone().set_requires_grad(true);
  auto z = module->forward(leaf);
  (z * z).sum().backward();
  show("gradient", leaf.grad());
}

void resize() {
  auto x = image({1, 2, 2, 3});
  using Factors = std::vector<double>;
  using Sizes = std::vector<int64_t>;
  run("nearest", nn::Upsample(nn::UpsampleOptions().scale_factor(Factors{2, 2}).mode(torch::kNearest)), x);
  run("bilinear", nn::Upsample(nn::UpsampleOptions().size(Sizes{3, 5}).mode(torch::kBilinear).align_corners(false)), x);
  run("corners", nn::Upsample(nn::UpsampleOptions().size(Sizes{3, 5}).mode(torch::kBilinear).align_corners(true)), x);
  run("bicubic", nn::Upsample(nn::UpsampleOptions().size(Sizes{3, 4}).mode(torch::kBicubic).align_corners(true)), x);
  run("line", nn::Upsample(nn::UpsampleOptions().size(Sizes{5}).mode(torch::kLinear).align_corners(true)),
      image({1, 2, 3}));
  run("volume",
      nn::Upsample(nn::UpsampleOptions().scale_factor(Factors{2, 1, 2}).mode(torch::kTrilinear).align_corners(false)),
      image({1, 1, 2, 2, 2}));
  show("interpolate", F::interpolate(x, F::InterpolateFuncOptions()
                                            .scale_factor(Factors{1.5, 1.5})
                                            .recompute_scale_factor(true)
                                            .mode(torch::kBilinear)
                                            .align_corners(false)));
}

void pad() {
  auto line = image({1, 2, 4});
  auto plane = image({1, 1, 3, 3});
  run("reflection 1", nn::ReflectionPad1d(2), line);
  run("reflection 2", nn::ReflectionPad2d(nn::ReflectionPad2dOptions({1, 2, 2, 0})), plane);
  run("replication 1", nn::ReplicationPad1d(nn::ReplicationPad1dOptions({3, 1})), line);
  run("replication 2", nn::ReplicationPad2d(1), plane);
  run("replication 3", nn::ReplicationPad3d(1), image({1, 1, 1, 2, 2}));
  run("zeros", nn::ZeroPad2d(nn::ZeroPad2dOptions({1, 0, -1, 1})), plane);
  run("constant", nn::ConstantPad1d(1, 3.5), line);
  show("pad", F::pad(line, F::PadFuncOptions({1, 2}).mode(torch::kCircular)));
  show("pad with a number", F::pad(line, F::PadFuncOptions({1, 2}).value(2)));
}

void rearrange() {
  run("pixel shuffle", nn::PixelShuffle(2), image({1, 4, 2, 2}));
  run("pixel unshuffle", nn::PixelUnshuffle(2), image({1, 1, 4, 2}));
  show("channel shuffle", torch::channel_shuffle(image({1, 4, 1, 2}), 2));
  show("unflatten", nn::Unflatten(nn::UnflattenOptions(1, {2, 2}))->forward(image({1, 4})));
  show("identity", nn::Identity()->forward(image({2})));
}

void look_up() {
  auto table = torch::tensor({{1.0, 2.0}, {3.0, -4.0}, {0.5, 0.25}, {6.0, 8.0}});
  auto indices = torch::tensor({{0, 3, 3}, {1, 1, 3}}, torch::kLong);
  auto plain = nn::Embedding::from_pretrained(table.clone(), nn::EmbeddingFromPretrainedOptions().freeze(false));
  auto y = plain(indices);
  show("embedding", y);
  (y * y).sum().backward();
  show("gradient", plain->weight.grad());
  auto padded = nn::Embedding::from_pretrained(
      table.clone(), nn::EmbeddingFromPretrainedOptions().freeze(false).padding_idx(-1).scale_grad_by_freq(true));
  y = padded(indices);
  (y * y).sum().backward();
  show("with padding", padded->weight.grad());
  auto short_rows = table.clone();
  show("renormalized", F::embedding(indices, short_rows, F::EmbeddingFuncOptions().max_norm(4)));
  show("table", short_rows);
  nn::Embedding zeros(nn::EmbeddingOptions(3, 2).padding_idx(1));
  show("padding row", zeros->weight.detach()[1]);
}

}  // namespace

int main() {
  resize();
  pad();
  rearrange();
  look_up();
}
