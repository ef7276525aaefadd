#include <sstream>
#include <string>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>

namespace nn = backflow::nn;
namespace F = backflow::nn::functional;
using backflow::DimVector;
using backflow::Error;
using backflow::Tensor;

namespace {

std::string text_of(const nn::Module& module) {
  std::ostringstream out;
  out << module;
  return out.str();
}

bool same(const Tensor& a, const Tensor& b) { return a.sizes() == b.sizes() && a.eq(b).all().item<bool>(); }

}  // namespace

TEST_CASE("pooling modules: options are one number or a list", "[nn]") {
  const nn::MaxPool2dOptions options = nn::MaxPool2dOptions({3, 2}).stride(2).padding({1, 0});
  CHECK(*options.kernel_size() == std::array<std::int64_t, 2>{3, 2});
  CHECK(*options.stride() == std::array<std::int64_t, 2>{2, 2});
  CHECK(*options.padding() == std::array<std::int64_t, 2>{1, 0});
  CHECK(*nn::AvgPool3dOptions(2).stride() == std::array<std::int64_t, 3>{2, 2, 2});
  CHECK_THROWS_AS(nn::MaxPool2dOptions({1, 2, 3}), Error);
}

TEST_CASE("pooling modules: what they print and what shapes they give", "[nn]") {
  const nn::MaxPool2d max(nn::MaxPool2dOptions({3, 2}).stride(2).padding(1).ceil_mode(true));
  CHECK(text_of(*max) == "MaxPool2d(kernel_size=(3, 2), stride=2, padding=1, dilation=1, ceil_mode=True)");
  CHECK(max->output_shape({5, 3, 8, 9}) == DimVector{5, 3, 5, 5});
  CHECK(max->forward(backflow::zeros({5, 3, 8, 9})).sizes() == backflow::IntArrayRef({5, 3, 5, 5}));
  CHECK(text_of(*nn::AvgPool1d(4)) == "AvgPool1d(kernel_size=4, stride=4, padding=0)");
  CHECK(nn::AvgPool1d(4)->output_shape({7, 9}) == DimVector{7, 2});
  CHECK(text_of(*nn::AdaptiveAvgPool2d(1)) == "AdaptiveAvgPool2d(output_size=1)");
  CHECK(text_of(*nn::AdaptiveMaxPool2d(nn::AdaptiveMaxPool2dOptions({5, std::nullopt}))) ==
        "AdaptiveMaxPool2d(output_size=(5, None))");
  CHECK(nn::AdaptiveAvgPool3d(2)->output_shape({2, 3, 4, 5, 6}) == DimVector{2, 3, 2, 2, 2});
  CHECK_THROWS_AS(max->output_shape({8}), Error);
}

TEST_CASE("pooling modules: give what the functions and operators give", "[nn]") {
  const Tensor x = backflow::arange(2 * 3 * 6 * 8, backflow::kFloat32).reshape({2, 3, 6, 8}).sin();
  const Tensor line = x.reshape({2, 9, 16});
  const Tensor volume = x.reshape({2, 1, 6, 6, 4});
  CHECK(same(nn::MaxPool1d(3)(line), F::max_pool1d(line, F::MaxPool1dFuncOptions(3))));
  CHECK(same(nn::MaxPool2d(2)(x), backflow::max_pool2d(x, 2)));
  CHECK(same(nn::MaxPool3d(2)(volume), F::max_pool3d(volume, F::MaxPool3dFuncOptions(2))));
  CHECK(same(nn::AvgPool1d(3)(line), F::avg_pool1d(line, F::AvgPool1dFuncOptions(3))));
  CHECK(same(F::avg_pool2d(x, F::AvgPool2dFuncOptions(2).divisor_override(3)),
             backflow::avg_pool2d(x, 2, {}, 0, false, true, 3)));
  CHECK(same(nn::AvgPool3d(2)(volume), backflow::avg_pool3d(volume, 2)));
  CHECK(same(nn::AdaptiveMaxPool1d(5)(line), std::get<0>(backflow::adaptive_max_pool1d(line, 5))));
  CHECK(same(nn::AdaptiveMaxPool3d(2)(volume),
             std::get<0>(F::adaptive_max_pool3d_with_indices(volume, F::AdaptiveMaxPool3dFuncOptions(2)))));
  CHECK(same(nn::AdaptiveAvgPool1d(5)(line), backflow::adaptive_avg_pool1d(line, 5)));
  CHECK(same(nn::AdaptiveAvgPool3d(2)(volume), F::adaptive_avg_pool3d(volume, F::AdaptiveAvgPool3dFuncOptions(2))));
  CHECK(same(F::adaptive_avg_pool2d(x, F::AdaptiveAvgPool2dFuncOptions({std::nullopt, 4})),
             backflow::adaptive_avg_pool2d(x, {6, 4})));
  const auto [values, indices] = nn::MaxPool2d(2)->forward_with_indices(x);
  CHECK(same(values, F::max_pool2d(x, F::MaxPool2dFuncOptions(2))));
  CHECK(same(x.flatten(2).gather(2, indices.flatten(2)), values.flatten(2)));
}

TEST_CASE("pooling by a norm and unpooling: what modules print and what shapes they give", "[nn]") {
  const nn::LPPool2d norm(nn::LPPool2dOptions(2, {3, 2}).stride(2).ceil_mode(true));
  CHECK(text_of(*norm) == "LPPool2d(norm_type=2, kernel_size=(3, 2), stride=2, ceil_mode=True)");
  CHECK(norm->output_shape({5, 3, 8, 9}) == DimVector{5, 3, 4, 5});
  const nn::MaxUnpool2d unpool(nn::MaxUnpool2dOptions(3).stride(2).padding(1));
  CHECK(text_of(*unpool) == "MaxUnpool2d(kernel_size=3, stride=2, padding=1)");
  CHECK(unpool->output_shape({5, 3, 4, 5}) == DimVector{5, 3, 7, 9});
  CHECK_THROWS_AS(unpool->output_shape({5, 3}), Error);
}

TEST_CASE("pooling by a norm: orders one and two", "[nn]") {
  const Tensor x = backflow::arange(24, backflow::kFloat32).sin().abs().reshape({1, 2, 3, 4});
  const Tensor sums = F::lp_pool2d(x, F::LPPool2dFuncOptions(1, {3, 2}));
  CHECK(backflow::allclose(sums, backflow::avg_pool2d(x, {3, 2}) * 6));
  const Tensor norms = F::lp_pool2d(x, F::LPPool2dFuncOptions(2, 2).stride(1));
  CHECK(backflow::allclose(norms * norms, backflow::avg_pool2d(x * x, 2, 1) * 4));
  CHECK_THROWS_AS(F::lp_pool2d(x, F::LPPool2dFuncOptions(0, 2)), Error);
  for (const double scale : {1.0, 1e19, 1e-25}) {  // squares overflow and vanish
    const Tensor large = (backflow::tensor({3.0, 4.0, 0.0, 0.0}) * scale).reshape({1, 1, 4}).requires_grad_();
    const Tensor lengths = F::lp_pool1d(large, F::LPPool1dFuncOptions(2, 2));
    CHECK(backflow::allclose(lengths / scale, backflow::tensor({5.0, 0.0}).reshape({1, 1, 2})));
    lengths.sum().backward();
    CHECK(backflow::allclose(large.grad(), backflow::tensor({0.6, 0.8, 0.0, 0.0}).reshape({1, 1, 4})));
  }
}

TEST_CASE("unpooling undoes max pooling of zeros beside the largest", "[nn]") {
  const Tensor x = backflow::arange(2 * 3 * 6 * 8, backflow::kFloat32).reshape({2, 3, 6, 8}).sin();
  const auto [y, indices] = backflow::max_pool2d_with_indices(x, 2);
  const Tensor back = nn::MaxUnpool2d(2)(y, indices);
  CHECK(back.sizes() == x.sizes());
  CHECK(same(back.ne(0).logical_and(back.ne(x)).sum(), backflow::zeros({}, backflow::kInt64)));
  CHECK(same(backflow::max_pool2d(back.abs(), 2), y.abs()));
  const Tensor one = F::max_unpool2d(y.select(0, 1), indices.select(0, 1), F::MaxUnpool2dFuncOptions(2));
  CHECK(same(one, back.select(0, 1)));
  CHECK_THROWS_AS(F::max_unpool2d(y, indices - 1, F::MaxUnpool2dFuncOptions(2)), Error);
  CHECK_THROWS_AS(F::max_unpool2d(y, indices, F::MaxUnpool2dFuncOptions(2).stride(0)), Error);
  CHECK_THROWS_AS(F::max_unpool2d(y, indices, F::MaxUnpool2dFuncOptions(2).output_size({{9, 8}})), Error);
  CHECK_THROWS_AS(F::max_unpool1d(y, indices, F::MaxUnpool1dFuncOptions(2)), Error);
}

TEST_CASE("interpolation by areas is adaptive average pooling", "[nn]") {
  const Tensor x = backflow::arange(60, backflow::kFloat32).sin().reshape({1, 2, 5, 6});
  CHECK(same(F::interpolate(x, F::InterpolateFuncOptions().size({{2, 3}}).mode(backflow::kArea)),
             backflow::adaptive_avg_pool2d(x, {2, 3})));
  CHECK_THROWS_AS(
      F::interpolate(x, F::InterpolateFuncOptions().size({{2, 3}}).mode(backflow::kArea).align_corners(true)), Error);
}

TEST_CASE("local response norm: one channel, and mistakes", "[nn]") {
  const Tensor x = backflow::arange(12, backflow::kFloat32).sin().reshape({2, 1, 6});
  const nn::LocalResponseNorm norm(nn::LocalResponseNormOptions(1).alpha(3).beta(0.5).k(2));
  CHECK(text_of(*norm) == "LocalResponseNorm(1, alpha=3, beta=0.5, k=2)");
  CHECK(backflow::allclose(norm(x), x / (x * x * 3 + 2).sqrt()));
  CHECK(norm->output_shape({2, 1, 6}) == DimVector{2, 1, 6});
  CHECK(F::local_response_norm(backflow::zeros({2, 0, 6}), F::LocalResponseNormFuncOptions(3)).numel() == 0);
  CHECK_THROWS_AS(F::local_response_norm(x, F::LocalResponseNormFuncOptions(0)), Error);
  CHECK_THROWS_AS(norm(backflow::zeros({2, 3})), Error);
}
