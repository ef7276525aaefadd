// Images and their kin made larger and smaller.
#include <backflow/ops/resampling/resampling_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct UpsampleNearest1dBackward;

struct UpsampleNearest1d : Resampling<UpsampleNearest1d, UpsampleNearest1dBackward, Filter::Nearest, Options1> {
  static constexpr OperatorInfo info = {
      .name = "upsample_nearest1d",
      .signature = "upsample_nearest1d(Tensor input, int[] output_size, float? scales=None) -> Tensor",
      .formula = "y[i] = x[floor(i / scale)];  dx = the sums of the dy that are made of it",
      .doc =
          "Of a floating-point tensor [batch, channels, length], to the output size [length]. A scale > 0 takes the "
          "place of the quotient of the sizes.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleNearest1dBackward0",
  };
};
struct UpsampleNearest1dBackward
    : ResamplingGradient<UpsampleNearest1dBackward, UpsampleNearest1d, Filter::Nearest, Options1> {
  static constexpr OperatorInfo info = {
      .name = "upsample_nearest1d_backward",
      .signature =
          "upsample_nearest1d_backward(Tensor grad_output, int[] output_size, int[] input_size, float? scales=None) -> "
          "Tensor",
      .formula =
          "dx = the map of dy that is transposed to upsample_nearest1d;  its own gradient is upsample_nearest1d(g)",
      .doc = "The gradient of upsample_nearest1d, of shape input_size; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleNearest1dBackwardBackward0",
  };
};

struct UpsampleNearest2dBackward;

struct UpsampleNearest2d : Resampling<UpsampleNearest2d, UpsampleNearest2dBackward, Filter::Nearest, Options2> {
  static constexpr OperatorInfo info = {
      .name = "upsample_nearest2d",
      .signature =
          "upsample_nearest2d(Tensor input, int[] output_size, float? scales_h=None, float? scales_w=None) -> Tensor",
      .formula = "y[i] = x[floor(i / scale)];  dx = the sums of the dy that are made of it",
      .doc =
          "Of a floating-point tensor [batch, channels, height, width], to the output size [height, width]. A scale > "
          "0 takes the place of the quotient of the sizes.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleNearest2dBackward0",
  };
};
struct UpsampleNearest2dBackward
    : ResamplingGradient<UpsampleNearest2dBackward, UpsampleNearest2d, Filter::Nearest, Options2> {
  static constexpr OperatorInfo info = {
      .name = "upsample_nearest2d_backward",
      .signature =
          "upsample_nearest2d_backward(Tensor grad_output, int[] output_size, int[] input_size, float? scales_h=None, "
          "float? scales_w=None) -> Tensor",
      .formula =
          "dx = the map of dy that is transposed to upsample_nearest2d;  its own gradient is upsample_nearest2d(g)",
      .doc = "The gradient of upsample_nearest2d, of shape input_size; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleNearest2dBackwardBackward0",
  };
};

struct UpsampleNearest3dBackward;

struct UpsampleNearest3d : Resampling<UpsampleNearest3d, UpsampleNearest3dBackward, Filter::Nearest, Options3> {
  static constexpr OperatorInfo info = {
      .name = "upsample_nearest3d",
      .signature =
          "upsample_nearest3d(Tensor input, int[] output_size, float? scales_d=None, float? scales_h=None, float? "
          "scales_w=None) -> Tensor",
      .formula = "y[i] = x[floor(i / scale)];  dx = the sums of the dy that are made of it",
      .doc =
          "Of a floating-point tensor [batch, channels, depth, height, width], to the output size [depth, height, "
          "width]. A scale > 0 takes the place of the quotient of the sizes.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleNearest3dBackward0",
  };
};
struct UpsampleNearest3dBackward
    : ResamplingGradient<UpsampleNearest3dBackward, UpsampleNearest3d, Filter::Nearest, Options3> {
  static constexpr OperatorInfo info = {
      .name = "upsample_nearest3d_backward",
      .signature =
          "upsample_nearest3d_backward(Tensor grad_output, int[] output_size, int[] input_size, float? scales_d=None, "
          "float? scales_h=None, float? scales_w=None) -> Tensor",
      .formula =
          "dx = the map of dy that is transposed to upsample_nearest3d;  its own gradient is upsample_nearest3d(g)",
      .doc = "The gradient of upsample_nearest3d, of shape input_size; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleNearest3dBackwardBackward0",
  };
};

struct UpsampleLinear1dBackward;

struct UpsampleLinear1d : Resampling<UpsampleLinear1d, UpsampleLinear1dBackward, Filter::Linear, Aligned1> {
  static constexpr OperatorInfo info = {
      .name = "upsample_linear1d",
      .signature =
          "upsample_linear1d(Tensor input, int[] output_size, bool align_corners, float? scales=None) -> Tensor",
      .formula = "y = each element between two of x, in proportion;  dx = the transposed map of dy",
      .doc =
          "Of a floating-point tensor [batch, channels, length], to the output size [length]. With align_corners the "
          "corners of both are in the same places, else they cover the same area. A scale > 0 takes the place of the "
          "quotient of the sizes.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleLinear1dBackward0",
  };
};
struct UpsampleLinear1dBackward
    : ResamplingGradient<UpsampleLinear1dBackward, UpsampleLinear1d, Filter::Linear, Aligned1> {
  static constexpr OperatorInfo info = {
      .name = "upsample_linear1d_backward",
      .signature =
          "upsample_linear1d_backward(Tensor grad_output, int[] output_size, int[] input_size, bool align_corners, "
          "float? scales=None) -> Tensor",
      .formula =
          "dx = the map of dy that is transposed to upsample_linear1d;  its own gradient is upsample_linear1d(g)",
      .doc = "The gradient of upsample_linear1d, of shape input_size; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleLinear1dBackwardBackward0",
  };
};

struct UpsampleBilinear2dBackward;

struct UpsampleBilinear2d : Resampling<UpsampleBilinear2d, UpsampleBilinear2dBackward, Filter::Linear, Aligned2> {
  static constexpr OperatorInfo info = {
      .name = "upsample_bilinear2d",
      .signature =
          "upsample_bilinear2d(Tensor input, int[] output_size, bool align_corners, float? scales_h=None, float? "
          "scales_w=None) -> Tensor",
      .formula = "y = each element between four of x, in proportion;  dx = the transposed map of dy",
      .doc =
          "Of a floating-point tensor [batch, channels, height, width], to the output size [height, width]. With "
          "align_corners the corners of both are in the same places, else they cover the same area. A scale > 0 takes "
          "the place of the quotient of the sizes.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleBilinear2dBackward0",
  };
};
struct UpsampleBilinear2dBackward
    : ResamplingGradient<UpsampleBilinear2dBackward, UpsampleBilinear2d, Filter::Linear, Aligned2> {
  static constexpr OperatorInfo info = {
      .name = "upsample_bilinear2d_backward",
      .signature =
          "upsample_bilinear2d_backward(Tensor grad_output, int[] output_size, int[] input_size, bool align_corners, "
          "float? scales_h=None, float? scales_w=None) -> Tensor",
      .formula =
          "dx = the map of dy that is transposed to upsample_bilinear2d;  its own gradient is upsample_bilinear2d(g)",
      .doc = "The gradient of upsample_bilinear2d, of shape input_size; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleBilinear2dBackwardBackward0",
  };
};

struct UpsampleTrilinear3dBackward;

struct UpsampleTrilinear3d : Resampling<UpsampleTrilinear3d, UpsampleTrilinear3dBackward, Filter::Linear, Aligned3> {
  static constexpr OperatorInfo info = {
      .name = "upsample_trilinear3d",
      .signature =
          "upsample_trilinear3d(Tensor input, int[] output_size, bool align_corners, float? scales_d=None, float? "
          "scales_h=None, float? scales_w=None) -> Tensor",
      .formula = "y = each element between eight of x, in proportion;  dx = the transposed map of dy",
      .doc =
          "Of a floating-point tensor [batch, channels, depth, height, width], to the output size [depth, height, "
          "width]. With align_corners the corners of both are in the same places, else they cover the same area. A "
          "scale > 0 takes the place of the quotient of the sizes.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleTrilinear3dBackward0",
  };
};
struct UpsampleTrilinear3dBackward
    : ResamplingGradient<UpsampleTrilinear3dBackward, UpsampleTrilinear3d, Filter::Linear, Aligned3> {
  static constexpr OperatorInfo info = {
      .name = "upsample_trilinear3d_backward",
      .signature =
          "upsample_trilinear3d_backward(Tensor grad_output, int[] output_size, int[] input_size, bool align_corners, "
          "float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor",
      .formula =
          "dx = the map of dy that is transposed to upsample_trilinear3d;  its own gradient is upsample_trilinear3d(g)",
      .doc = "The gradient of upsample_trilinear3d, of shape input_size; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "UpsampleTrilinear3dBackwardBackward0",
  };
};

struct UpsampleBicubic2dBackward;

struct UpsampleBicubic2d : Resampling<UpsampleBicubic2d, UpsampleBicubic2dBackward, Filter::Cubic, Aligned2> {
  static constexpr OperatorInfo info = {
      .name = "upsample_bicubic2d",
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
    : ResamplingGradient<UpsampleBicubic2dBackward, UpsampleBicubic2d, Filter::Cubic, Aligned2> {
  static constexpr OperatorInfo info = {
      .name = "upsample_bicubic2d_backward",
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
  return family<UpsampleNearest1d, UpsampleNearest1dBackward, UpsampleNearest2d, UpsampleNearest2dBackward,
                UpsampleNearest3d, UpsampleNearest3dBackward, UpsampleLinear1d, UpsampleLinear1dBackward,
                UpsampleBilinear2d, UpsampleBilinear2dBackward, UpsampleTrilinear3d, UpsampleTrilinear3dBackward,
                UpsampleBicubic2d, UpsampleBicubic2dBackward>("resampling");
}

}  // namespace backflow
