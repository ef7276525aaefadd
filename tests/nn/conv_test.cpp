#include <cmath>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/mistakes.h>

namespace nn = backflow::nn;
namespace F = backflow::nn::functional;
using backflow::DimVector;
using backflow::Error;
using backflow::IntArrayRef;
using backflow::test::check_all;
using backflow::test::f32;

TEST_CASE("convolution modules: the shape that they announce is the one that they give", "[nn]") {
  const auto check_shape = [](const auto& module, IntArrayRef input) {
    CHECK(module->output_shape(input) == DimVector(module(backflow::zeros(input)).sizes()));
  };
  check_shape(nn::Conv1d(nn::Conv1dOptions(3, 5, 4).stride(3).padding(2)), {2, 3, 17});
  check_shape(nn::Conv2d(nn::Conv2dOptions(4, 6, {3, 2}).stride({2, 1}).dilation(2).groups(2)), {2, 4, 11, 9});
  check_shape(nn::Conv2d(nn::Conv2dOptions(3, 2, {4, 3}).padding(backflow::kSame)), {3, 7, 6});
  check_shape(nn::Conv3d(2, 3, 2), {1, 2, 3, 4, 5});
  check_shape(nn::ConvTranspose2d(nn::ConvTranspose2dOptions(3, 4, 3).stride(2).padding(1).output_padding(1)),
              {2, 3, 4, 5});
  check_shape(nn::ConvTranspose1d(2, 3, 3), {2, 2, 5});
}

TEST_CASE("convolution modules: they print as PyTorch's", "[nn]") {
  CHECK(backflow::to_text(*nn::Conv1d(2, 3, 3)) == "Conv1d(2, 3, kernel_size=(3,), stride=(1,))");
  CHECK(backflow::to_text(*nn::Conv2d(nn::Conv2dOptions(4, 6, {3, 2}).padding(1).groups(2).bias(false))) ==
        "Conv2d(4, 6, kernel_size=(3, 2), stride=(1, 1), padding=(1, 1), groups=2, bias=False)");
  CHECK(backflow::to_text(*nn::ConvTranspose2d(nn::ConvTranspose2dOptions(2, 3, 3).stride(2).output_padding(1))) ==
        "ConvTranspose2d(2, 3, kernel_size=(3, 3), stride=(2, 2), output_padding=(1, 1))");
}

TEST_CASE("convolution modules: parameters start in PyTorch's range", "[nn]") {
  const nn::Conv2d conv(8, 16, 5);
  const double bound = 1 / std::sqrt(8.0 * 25);
  CHECK(conv->weight.sizes() == IntArrayRef({16, 8, 5, 5}));
  CHECK(conv->weight.abs().max().item<double>() <= bound);
  CHECK(conv->weight.abs().max().item<double>() > 0.9 * bound);
  CHECK(conv->bias.abs().max().item<double>() <= bound);
  CHECK(nn::ConvTranspose2d(nn::ConvTranspose2dOptions(8, 16, 3).groups(4))->weight.sizes() ==
        IntArrayRef({8, 4, 3, 3}));
}

TEST_CASE("a transposed convolution gives the size that is asked for", "[nn]") {
  const nn::ConvTranspose2d up(nn::ConvTranspose2dOptions(2, 1, 3).stride(2).padding(1));
  const DimVector size{8, 7};
  CHECK(up->forward(f32({1, 2, 4, 4}), size).sizes() == IntArrayRef({1, 1, 8, 7}));
  const DimVector large{9, 7};
  CHECK_THROWS_AS(up->forward(f32({1, 2, 4, 4}), large), Error);
}

TEST_CASE("errors: convolutions", "[nn]") {
  check_all({
      {"conv2d: input f32[2, 3]: need [batch, channels, ...] or [channels, ...] with 2 spatial dimensions",
       [] {
         conv2d(f32({2, 3}), f32({4, 3, 3, 3}));
       }},
      {"conv: input f32[1, 3, 5, 5], weight f32[4, 2, 3, 3], groups 1: need an input of 2 channels",
       [] {
         conv2d(f32({1, 3, 5, 5}), f32({4, 2, 3, 3}));
       }},
      {"conv: weight f32[4, 2, 3, 3], groups 3: need groups of 1 or more that divide 4",
       [] {
         conv2d(f32({1, 6, 5, 5}), f32({4, 2, 3, 3}), {}, 1, 0, 1, 3);
       }},
      {"conv: bias f32[3], weight f32[4, 2, 3, 3]: need a bias of shape [4]",
       [] {
         conv2d(f32({1, 2, 5, 5}), f32({4, 2, 3, 3}), f32({3}));
       }},
      {"conv: input f32[1, 2, 2, 5], weight f32[4, 2, 3, 3], padding [0], dilation [1]: need an input of at least 3 "
       "with "
       "its padding, not 2, in dimension 2",
       [] {
         conv2d(f32({1, 2, 2, 5}), f32({4, 2, 3, 3}));
       }},
      {"conv: stride [0]: need numbers of 1 or more",
       [] {
         conv2d(f32({1, 2, 5, 5}), f32({4, 2, 3, 3}), {}, 0);
       }},
      {"conv: padding [-1]: need numbers of 0 or more",
       [] {
         conv2d(f32({1, 2, 5, 5}), f32({4, 2, 3, 3}), {}, 1, -1);
       }},
      {"conv: stride [1, 1, 1]: need one number, or 2",
       [] {
         conv2d(f32({1, 2, 5, 5}), f32({4, 2, 3, 3}), {}, {1, 1, 1});
       }},
      {"conv_transpose: output_padding [2], stride [2], dilation [1]: need less than the stride or the dilation",
       [] {
         conv_transpose2d(f32({1, 2, 5, 5}), f32({2, 4, 3, 3}), {}, 2, 0, 2);
       }},
      {"conv2d: stride [2, 2] with padding 'same': need a stride of 1",
       [] {
         F::conv2d(f32({1, 2, 5, 5}), f32({4, 2, 3, 3}), F::Conv2dFuncOptions().stride(2).padding(backflow::kSame));
       }},
      {"conv: 3 and 4 channels, 2 groups: need positive numbers, and groups that divide both",
       [] { nn::Conv2d(nn::Conv2dOptions(3, 4, 3).groups(2)); }},
  });
}
