// Mistakes of the caller of what layers are made of, and the exact message that each gives.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/dropout.h>
#include <backflow/ops/operators.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("errors: dropout") {
  check_all({
      {"dropout: probability 1.5: need one in [0, 1]", [] { dropout(f32({2}), 1.5, true); }},
      {"dropout: probability -0.5: need one in [0, 1]", [] { dropout_(f32({2}), -0.5, false); }},
      {"dropout: input i64[2]: need floating-point numbers", [] { dropout(i64({2}), 0.5, true); }},
      {"feature_dropout: input f32[2]: need two dimensions or more, the second that of the features",
       [] { feature_dropout(f32({2}), 0.5, true); }},
  });
}

TEST_CASE("errors: embedding") {
  check_all({
      {"embedding: weight f32[3]: need a table [rows, columns]", [] { embedding(f32({3}), i64({2})); }},
      {"embedding: index f32[2]: need dtype i64",
       [] {
         embedding(f32({3, 2}), f32({2}));
       }},
      {"embedding: index 3 at 1: need one in [0, 3)",
       [] {
         embedding(f32({3, 2}), tensor({0, 3}));
       }},
      {"embedding: index -1 at 0: need one in [0, 3)",
       [] {
         embedding(f32({3, 2}), tensor({-1}));
       }},
      {"embedding: sparse gradients: need sparse=false; gradients are dense",
       [] {
         embedding(f32({3, 2}), i64({2}), -1, false, true);
       }},
      {"embedding_dense_backward: gradient f32[2], indices i64[2]: need a gradient [..., columns]",
       [] { embedding_dense_backward(f32({2}), i64({2}), 3, -1, false); }},
      {"embedding_renorm: length -1, order 2: need a length >= 0 and an order > 0",
       [] {
         embedding_renorm(f32({3, 2}), i64({2}), -1, 2);
       }},
  });
}

TEST_CASE("errors: resampling") {
  check_all({
      {"upsample_nearest2d: input of shape [2, 3, 4] to [5, 6]: need [batch, channels] and 2 dimensions",
       [] {
         upsample_nearest2d(f32({2, 3, 4}), {5, 6});
       }},
      {"upsample_linear1d: to [0]: need sizes in [1, 2147483647]",
       [] {
         upsample_linear1d(f32({2, 3, 4}), 0, true);
       }},
      {"upsample_bilinear2d: input of shape [1, 1, 0, 4]: need 1 to 2147483647 elements in dimension 2",
       [] {
         upsample_bilinear2d(f32({1, 1, 0, 4}), {2, 2}, true);
       }},
      {"upsample_nearest1d: input i64[1, 1, 4]: need floating-point numbers",
       [] {
         upsample_nearest1d(i64({1, 1, 4}), 3);
       }},
      {"upsample_nearest1d_backward: gradient f32[1, 1, 4]: need shape [1, 1, 5]",
       [] {
         upsample_nearest1d_backward(f32({1, 1, 4}), 5, {1, 1, 3});
       }},
  });
}

TEST_CASE("errors: shuffling and borders") {
  check_all({
      {"pixel_shuffle: input f32[1, 3, 2, 2], factor 2: need channels in multiples of 4",
       [] {
         pixel_shuffle(f32({1, 3, 2, 2}), 2);
       }},
      {"pixel_shuffle: input f32[2, 2]: need an image [..., channels, height, width]",
       [] {
         pixel_shuffle(f32({2, 2}), 2);
       }},
      {"pixel_unshuffle: input f32[1, 3, 2], factor 2: need height and width in multiples of it",
       [] {
         pixel_unshuffle(f32({1, 3, 2}), 2);
       }},
      {"channel_shuffle: input f32[1, 3, 2, 2], 2 groups: need groups of equal size",
       [] {
         channel_shuffle(f32({1, 3, 2, 2}), 2);
       }},
      {"pad_border_backward: gradient f32[1, 3]: need shape [1, 5]",
       [] {
         pad_border_backward(f32({1, 3}), {1, 3}, {1, 1}, "reflect");
       }},
      {"pad_border: padding [1, 1, 1, 1, 1, 1, 1, 1] of shape [1, 3]: need two numbers for each of one to three last "
       "dimensions",
       [] {
         pad_border(f32({1, 3}), {1, 1, 1, 1, 1, 1, 1, 1}, "reflect");
       }},
  });
}

TEST_CASE("errors: activations with a second operand") {
  check_all({
      {"prelu: input f32[2, 3], weight f32[2]: need 1 slope or 3",
       [] {
         prelu(f32({2, 3}), f32({2}));
       }},
      {"glu: input f32[2, 3], dimension -1: need an even size",
       [] {
         glu(f32({2, 3}));
       }},
      {"celu: alpha 0: need another number, which is divided by", [] { celu(f32({2}), 0); }},
      {"hardshrink: lambda -1: need a number >= 0", [] { hardshrink(f32({2}), -1); }},
      {"rrelu: slopes from 1 to 0.5: need lower <= upper", [] { rrelu(f32({2}), 1, 0.5); }},
  });
}
