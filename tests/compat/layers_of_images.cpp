// Convolutions whose padding follows a rule, local response norms, pooling by a norm, max unpooling, embedding bags and
// interpolation by areas.
#include <backflow/tests/compat/torch_api.h>

namespace F = torch::nn::functional;
namespace nn = torch::nn;

namespace {

/// Prints y and the gradient of the sum of its squares.
void both(const char* what, const torch::Tensor& y, torch::Tensor x) {
  show(what, y);
  x.mutable_grad() = torch::Tensor();
  (y * y).sum().backward();
  show("its gradient", x.grad());
}

torch::Tensor numbers(std::vector<int64_t> sizes, double step) {
  int64_t count = 1;
  for (const int64_t size : sizes) {
    count *= size;
  }
  return torch::arange(count, torch::kDouble).mul(step).sin().reshape(sizes).set_requires_grad(true);
}

void convolutions() {
  auto x = numbers({1, 2, 5, 4}, 0.7);
  auto w = numbers({3, 2, 3, 2}, 1.1);
  auto b = numbers({3}, 0.3);
  both("conv2d, same", torch::conv2d(x, w, b, 1, "same"), x);
  both("conv2d, same, dilated", torch::conv2d(x, w, {}, 1, "same", {1, 2}), w);
  show("conv2d, valid", torch::conv2d(x, w, b, {2, 1}, "valid"));
  show("conv1d, same", torch::conv1d(numbers({1, 2, 6}, 0.4), numbers({2, 1, 4}, 0.9), {}, 1, "same", 1, 2));
  show("conv3d, same", torch::conv3d(numbers({1, 1, 2, 3, 3}, 0.4), numbers({1, 1, 2, 3, 1}, 0.9), {}, 1, "same"));
  show("conv2d, numbers", torch::conv2d(x, w, b, 1, 1));
  show("F::conv2d, same", F::conv2d(x, w, F::Conv2dFuncOptions().padding(torch::kSame)));
  throws("stride with same", [&] { torch::conv2d(x, w, b, 2, "same"); });
  throws("another rule", [&] { torch::conv2d(x, w, b, 1, "full"); });
}

void norms() {
  auto x = numbers({2, 5, 2, 3}, 0.7);
  both("local_response_norm", F::local_response_norm(x, F::LocalResponseNormFuncOptions(3).alpha(0.5)), x);
  show("of even size", F::local_response_norm(x, F::LocalResponseNormFuncOptions(2).beta(0.5).k(2)));
  nn::LocalResponseNorm norm(nn::LocalResponseNormOptions(4).alpha(0.2));
  show("LocalResponseNorm of lines", norm(numbers({1, 3, 4}, 0.9)));
  both("lp_pool2d", F::lp_pool2d(x, F::LPPool2dFuncOptions(2, {2, 1}).stride(1)), x);
  show("lp_pool1d", F::lp_pool1d(numbers({1, 2, 7}, 0.5), F::LPPool1dFuncOptions(4, 3).stride(2).ceil_mode(true)));
  nn::LPPool2d pool(nn::LPPool2dOptions(2, 2));
  show("LPPool2d", pool(x));
  show("LPPool1d", nn::LPPool1d(2, 2)(numbers({1, 2, 6}, 0.3)));
}

void unpooling() {
  auto x = numbers({1, 2, 4, 6}, 0.8);
  auto [y, indices] = F::max_pool2d_with_indices(x, F::MaxPool2dFuncOptions(2));
  both("max_unpool2d", F::max_unpool2d(y, indices, F::MaxUnpool2dFuncOptions(2)), x);
  show("to another size",
       F::max_unpool2d(y, indices, F::MaxUnpool2dFuncOptions(2).output_size(std::vector<int64_t>{1, 2, 5, 6})));
  nn::MaxUnpool2d unpool(nn::MaxUnpool2dOptions(2));
  show("MaxUnpool2d", unpool(y, indices));
  show("torch::max_unpool2d", torch::max_unpool2d(y, indices, {4, 7}));
  auto [line, places] = F::max_pool1d_with_indices(numbers({1, 1, 8}, 0.9), F::MaxPool1dFuncOptions(2).stride(3));
  show("max_unpool1d", F::max_unpool1d(line, places, F::MaxUnpool1dFuncOptions(2).stride(3)));
  auto [volume, where] = F::max_pool3d_with_indices(numbers({1, 1, 2, 4, 4}, 0.9), F::MaxPool3dFuncOptions(2));
  show("MaxUnpool3d", nn::MaxUnpool3d(2)(volume, where));
  throws("index outside", [&] { F::max_unpool2d(y, indices + 30, F::MaxUnpool2dFuncOptions(2)); });
  throws("size too large", [&] {
    F::max_unpool2d(y, indices, F::MaxUnpool2dFuncOptions(2).output_size(std::vector<int64_t>{1, 2, 9, 6}));
  });
}

void embedding_bags() {
  auto w = numbers({5, 3}, 0.6);
  auto indices = torch::tensor({1, 4, 2, 2, 0, 3}, torch::kLong);
  auto offsets = torch::tensor({0, 2, 2, 5}, torch::kLong);
  both("embedding_bag, mean", F::embedding_bag(indices, w, F::EmbeddingBagFuncOptions().offsets(offsets)), w);
  both("sum", F::embedding_bag(indices, w, F::EmbeddingBagFuncOptions().offsets(offsets).mode(torch::kSum)), w);
  both("max", F::embedding_bag(indices, w, F::EmbeddingBagFuncOptions().offsets(offsets).mode(torch::kMax)), w);
  auto factors = torch::arange(6, torch::kDouble).mul(0.5).sub(1);
  both("weighted",
       F::embedding_bag(indices, w,
                        F::EmbeddingBagFuncOptions().offsets(offsets).mode(torch::kSum).per_sample_weights(factors)),
       w);
  both("without a row", F::embedding_bag(indices, w, F::EmbeddingBagFuncOptions().offsets(offsets).padding_idx(2)), w);
  both("with the last offset",
       F::embedding_bag(
           indices, w,
           F::EmbeddingBagFuncOptions().offsets(torch::tensor({0, 2, 6}, torch::kLong)).include_last_offset(true)),
       w);
  show("matrix", F::embedding_bag(indices.reshape({2, 3}), w));
  show("torch::embedding_bag", std::get<0>(torch::embedding_bag(w, indices, offsets)));
  auto bag = nn::EmbeddingBag::from_pretrained(w.detach(), nn::EmbeddingBagFromPretrainedOptions().mode(torch::kSum));
  show("EmbeddingBag", bag(indices, offsets));
  fact("frozen", !bag->weight.requires_grad());
  throws("index outside", [&] { F::embedding_bag(indices * 2, w, F::EmbeddingBagFuncOptions().offsets(offsets)); });
  throws("offset outside", [&] {
    F::embedding_bag(indices, w, F::EmbeddingBagFuncOptions().offsets(torch::tensor({0, 9}, torch::kLong)));
  });
  throws("first offset", [&] {
    F::embedding_bag(indices, w, F::EmbeddingBagFuncOptions().offsets(torch::tensor({1, 3}, torch::kLong)));
  });
}

void areas() {
  auto x = numbers({1, 2, 5, 4}, 0.7);
  const std::vector<int64_t> size = {2, 3};
  both("area", F::interpolate(x, F::InterpolateFuncOptions().size(size).mode(torch::kArea)), x);
  show("of a line",
       F::interpolate(numbers({1, 2, 6}, 0.7),
                      F::InterpolateFuncOptions().scale_factor(std::vector<double>{0.5}).mode(torch::kArea)));
}

}  // namespace

int main() {
  convolutions();
  norms();
  unpooling();
  embedding_bags();
  areas();
}
