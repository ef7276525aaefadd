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
