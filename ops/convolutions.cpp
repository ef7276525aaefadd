// Convolutions with one, two and three spatial dimensions, with PyTorch's arguments.
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>

namespace backflow {
namespace {

/// `f` of a batch of `input`, which may be a single sample [channels, spatial...] of `dims` spatial dimensions.
template <class F>
Tensor batched(const char* where, const Tensor& input, std::int64_t dims, const F& f) {
  check(input.dim() == dims + 1 || input.dim() == dims + 2, where, ": input ", describe(input),
        ": need [batch, channels, ...] or [channels, ...] with ", dims, " spatial dimensions");
  return input.dim() == dims + 2 ? f(input) : squeeze(f(unsqueeze(input, 0)), 0);
}

Tensor conv(const char* where, std::int64_t dims, const Tensor& input, const Tensor& weight, const Tensor& bias,
            IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, std::int64_t groups) {
  return batched(where, input, dims, [&](const Tensor& x) {
    return convolution(x, weight, bias, stride, padding, dilation, false, 0, groups);
  });
}

Tensor conv_transpose(const char* where, std::int64_t dims, const Tensor& input, const Tensor& weight,
                      const Tensor& bias, IntArrayRef stride, IntArrayRef padding, IntArrayRef output_padding,
                      std::int64_t groups, IntArrayRef dilation) {
  return batched(where, input, dims, [&](const Tensor& x) {
    return convolution(x, weight, bias, stride, padding, dilation, true, output_padding, groups);
  });
}

struct Conv1d {
  static constexpr OperatorInfo info = {
      .name = "conv1d",
      .signature =
          "conv1d(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] dilation=1, "
          "int groups=1) -> Tensor",
      .formula = "y = convolution(x, w, b)",
      .doc =
          "A convolution over one spatial dimension: input [batch, channels, l] or [channels, l], weight [filters, "
          "channels / groups, l], bias [filters] or none.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef dilation, std::int64_t groups) {
    return conv("conv1d", 1, x, w, bias, stride, padding, dilation, groups);
  }
};

struct Conv2d {
  static constexpr OperatorInfo info = {
      .name = "conv2d",
      .signature =
          "conv2d(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] dilation=1, "
          "int groups=1) -> Tensor",
      .formula = "y = convolution(x, w, b)",
      .doc =
          "A convolution over two spatial dimensions: input [batch, channels, h, w] or [channels, h, w], weight "
          "[filters, "
          "channels / groups, h, w], bias [filters] or none.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef dilation, std::int64_t groups) {
    return conv("conv2d", 2, x, w, bias, stride, padding, dilation, groups);
  }
};

struct Conv3d {
  static constexpr OperatorInfo info = {
      .name = "conv3d",
      .signature =
          "conv3d(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] dilation=1, "
          "int groups=1) -> Tensor",
      .formula = "y = convolution(x, w, b)",
      .doc =
          "A convolution over three spatial dimensions: input [batch, channels, d, h, w] or [channels, d, h, w], "
          "weight [filters, "
          "channels / groups, d, h, w], bias [filters] or none.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef dilation, std::int64_t groups) {
    return conv("conv3d", 3, x, w, bias, stride, padding, dilation, groups);
  }
};

struct ConvTranspose1d {
  static constexpr OperatorInfo info = {
      .name = "conv_transpose1d",
      .signature =
          "conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] "
          "output_padding=0, int groups=1, int[] dilation=1) -> Tensor",
      .formula = "y = transposed convolution(x, w, b)",
      .doc =
          "The function whose gradient a convolution over one spatial dimension is: input [batch, channels, l] or "
          "[channels, "
          "l], weight [channels, filters / groups, l], bias [filters] or none; the result is longer by "
          "output_padding.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef output_padding, std::int64_t groups, IntArrayRef dilation) {
    return conv_transpose("conv_transpose1d", 1, x, w, bias, stride, padding, output_padding, groups, dilation);
  }
};

struct ConvTranspose2d {
  static constexpr OperatorInfo info = {
      .name = "conv_transpose2d",
      .signature =
          "conv_transpose2d(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] "
          "output_padding=0, int groups=1, int[] dilation=1) -> Tensor",
      .formula = "y = transposed convolution(x, w, b)",
      .doc =
          "The function whose gradient a convolution over two spatial dimensions is: input [batch, channels, h, w] or "
          "[channels, "
          "h, w], weight [channels, filters / groups, h, w], bias [filters] or none; the result is longer by "
          "output_padding.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef output_padding, std::int64_t groups, IntArrayRef dilation) {
    return conv_transpose("conv_transpose2d", 2, x, w, bias, stride, padding, output_padding, groups, dilation);
  }
};

struct ConvTranspose3d {
  static constexpr OperatorInfo info = {
      .name = "conv_transpose3d",
      .signature =
          "conv_transpose3d(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] "
          "output_padding=0, int groups=1, int[] dilation=1) -> Tensor",
      .formula = "y = transposed convolution(x, w, b)",
      .doc =
          "The function whose gradient a convolution over three spatial dimensions is: input [batch, channels, d, h, "
          "w] or [channels, "
          "d, h, w], weight [channels, filters / groups, d, h, w], bias [filters] or none; the result is longer by "
          "output_padding.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef output_padding, std::int64_t groups, IntArrayRef dilation) {
    return conv_transpose("conv_transpose3d", 3, x, w, bias, stride, padding, output_padding, groups, dilation);
  }
};

}  // namespace

#include <backflow/ops/convolutions_functions.inc>

OperatorFamily convolutions_operators() {
  return family<Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d>("convolutions");
}

}  // namespace backflow
