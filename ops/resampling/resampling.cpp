// Images and their kin made larger and smaller.
#include <backflow/ops/dimensions_internal.h>
#include <backflow/ops/resampling/resampling_internal.h>

namespace backflow {
namespace {

using namespace detail;

template <int N>
struct UpsampleNearestBackward;

template <int N>
struct UpsampleNearest : Resampling<UpsampleNearest<N>, UpsampleNearestBackward<N>, Filter::Nearest, Scales<N>> {
  static constexpr OperatorInfo pattern = {
      .signature =
          "upsample_nearest{N}d(Tensor input, int[] output_size, "
          "{float? scales=None|float? scales_h=None, float? scales_w=None|float? scales_d=None, float? scales_h=None, "
          "float? scales_w=None}) -> Tensor",
      .formula = "y[i] = x[floor(i / scale)];  dx = the sums of the dy that are made of it",
      .doc =
          "Of a floating-point tensor [batch, channels, {sizes}], to the output size [{sizes}]. A scale > 0 takes the "
          "place of the quotient of the sizes.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleNearest{N}dBackward0",
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
};
template <int N>
struct UpsampleNearestBackward
    : ResamplingGradient<UpsampleNearestBackward<N>, UpsampleNearest<N>, Filter::Nearest, Scales<N>> {
  static constexpr OperatorInfo pattern = {
      .signature =
          "upsample_nearest{N}d_backward(Tensor grad_output, int[] output_size, int[] input_size, "
          "{float? scales=None|float? scales_h=None, float? scales_w=None|float? scales_d=None, float? scales_h=None, "
          "float? scales_w=None}) -> Tensor",
      .formula =
          "dx = the map of dy that is transposed to upsample_nearest{N}d;  its own gradient is upsample_nearest{N}d(g)",
      .doc = "The gradient of upsample_nearest{N}d, of shape input_size; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleNearest{N}dBackwardBackward0",
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
};

template <int N>
struct UpsampleLinearBackward;

template <int N>
struct UpsampleLinear : Resampling<UpsampleLinear<N>, UpsampleLinearBackward<N>, Filter::Linear, Aligned<N>> {
  static constexpr OperatorInfo pattern = {
      .signature =
          "upsample_{linear|bilinear|trilinear}{N}d(Tensor input, int[] output_size, bool align_corners, "
          "{float? scales=None|float? scales_h=None, float? scales_w=None|float? scales_d=None, float? scales_h=None, "
          "float? scales_w=None}) -> Tensor",
      .formula = "y = each element between {two|four|eight} of x, in proportion;  dx = the transposed map of dy",
      .doc =
          "Of a floating-point tensor [batch, channels, {sizes}], to the output size [{sizes}]. With align_corners the "
          "corners of both are in the same places, else they cover the same area. A scale > 0 takes the place of the "
          "quotient of the sizes.",
      .dtypes = kFloatingDtypes,
      .node = "Upsample{Linear|Bilinear|Trilinear}{N}dBackward0",
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
};
template <int N>
struct UpsampleLinearBackward
    : ResamplingGradient<UpsampleLinearBackward<N>, UpsampleLinear<N>, Filter::Linear, Aligned<N>> {
  static constexpr OperatorInfo pattern = {
      .signature =
          "upsample_{linear|bilinear|trilinear}{N}d_backward(Tensor grad_output, int[] output_size, int[] input_size, "
          "bool align_corners, "
          "{float? scales=None|float? scales_h=None, float? scales_w=None|float? scales_d=None, float? scales_h=None, "
          "float? scales_w=None}) -> Tensor",
      .formula =
          "dx = the map of dy that is transposed to upsample_{linear|bilinear|trilinear}{N}d;  its own gradient is "
          "upsample_{linear|bilinear|trilinear}{N}d(g)",
      .doc =
          "The gradient of upsample_{linear|bilinear|trilinear}{N}d, of shape input_size; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "Upsample{Linear|Bilinear|Trilinear}{N}dBackwardBackward0",
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
};

struct UpsampleBicubic2dBackward;

struct UpsampleBicubic2d : Resampling<UpsampleBicubic2d, UpsampleBicubic2dBackward, Filter::Cubic, Aligned<2>> {
  static constexpr OperatorInfo info = {
      .signature =
          "upsample_bicubic2d(Tensor input, int[] output_size, bool align_corners, float? scales_h=None, float? "
          "scales_w=None) -> Tensor",
      .formula =
          "y = each element of sixteen of x, by Keys' cubic convolution with a = -0.75;  dx = the transposed map of dy",
      .doc =
          "Of a floating-point tensor [batch, channels, height, width], to the output size [height, width]. With "
          "align_corners the corners of both are in the same places, else they cover the same area. A scale > 0 takes "
          "the place of the quotient of the sizes.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleBicubic2dBackward0",
  };
};
struct UpsampleBicubic2dBackward
    : ResamplingGradient<UpsampleBicubic2dBackward, UpsampleBicubic2d, Filter::Cubic, Aligned<2>> {
  static constexpr OperatorInfo info = {
      .signature =
          "upsample_bicubic2d_backward(Tensor grad_output, int[] output_size, int[] input_size, bool align_corners, "
          "float? scales_h=None, float? scales_w=None) -> Tensor",
      .formula =
          "dx = the map of dy that is transposed to upsample_bicubic2d;  its own gradient is upsample_bicubic2d(g)",
      .doc = "The gradient of upsample_bicubic2d, of shape input_size; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleBicubic2dBackwardBackward0",
  };
};

}  // namespace

#include <backflow/ops/resampling_functions.inc>

OperatorFamily resampling_operators() {
  return family<UpsampleNearest<1>, UpsampleNearestBackward<1>, UpsampleNearest<2>, UpsampleNearestBackward<2>,
                UpsampleNearest<3>, UpsampleNearestBackward<3>, UpsampleLinear<1>, UpsampleLinearBackward<1>,
                UpsampleLinear<2>, UpsampleLinearBackward<2>, UpsampleLinear<3>, UpsampleLinearBackward<3>,
                UpsampleBicubic2d, UpsampleBicubic2dBackward>("resampling");
}

}  // namespace backflow
