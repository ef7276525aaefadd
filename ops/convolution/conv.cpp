// Convolutions with one, two and three spatial dimensions, with PyTorch's arguments.
#include <limits>
#include <string_view>

#include <backflow/ops/convolution/same_padding.h>
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

/// The same with a rule for the padding.
Tensor conv_by_rule(const char* where, std::int64_t dims, const Tensor& input, const Tensor& weight, const Tensor& bias,
                    IntArrayRef stride, std::string_view padding, IntArrayRef dilation, std::int64_t groups) {
  check(padding == "same" || padding == "valid", where, ": padding '", padding, "': need 'same', 'valid' or numbers");
  if (padding == "valid") {
    return conv(where, dims, input, weight, bias, stride, 0, dilation, groups);
  }
  const auto n = static_cast<std::size_t>(dims);
  for (const std::int64_t s : stride) {
    check(s == 1, where, ": stride ", stride, " with padding 'same': need a stride of 1");
  }
  check(weight.dim() == dims + 2, where, ": weight ", describe(weight), ": need ", dims + 2, " dimensions");
  check(dilation.size() == 1 || dilation.size() == n, where, ": dilation ", dilation, ": need one number, or ", n);
  DimVector each;
  for (std::size_t d = 0; d < n; ++d) {
    each.push_back(dilation.size() == 1 ? dilation[0] : dilation[d]);
    check(each[d] > 0 && each[d] <= std::numeric_limits<std::int32_t>::max(), where, ": dilation ", dilation,
          ": need numbers from 1 to ", std::numeric_limits<std::int32_t>::max());
  }
  const IntArrayRef kernel(weight.sizes().data() + 2, n);
  return conv(where, dims, input, weight, bias, stride, same_padding(kernel, each), each, groups);
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

struct Conv1dByRule {
  static constexpr OperatorInfo info = {
      .name = "conv1d",
      .signature =
          "conv1d(Tensor input, Tensor weight, Tensor? bias, int[] stride, str padding, int[] dilation=1, "
          "int groups=1) -> Tensor",
      .formula = "y = convolution(x, w, b)",
      .doc =
          "The same with the padding 'valid', which is none, or 'same': with a stride of 1, the one that keeps all "
          "sizes; where it is odd, the larger half is behind.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride,
                        std::string_view padding, IntArrayRef dilation, std::int64_t groups) {
    return conv_by_rule("conv1d", 1, x, w, bias, stride, padding, dilation, groups);
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

struct Conv2dByRule {
  static constexpr OperatorInfo info = {
      .name = "conv2d",
      .signature =
          "conv2d(Tensor input, Tensor weight, Tensor? bias, int[] stride, str padding, int[] dilation=1, "
          "int groups=1) -> Tensor",
      .formula = "y = convolution(x, w, b)",
      .doc =
          "The same with the padding 'valid', which is none, or 'same': with a stride of 1, the one that keeps all "
          "sizes; where it is odd, the larger half is behind.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride,
                        std::string_view padding, IntArrayRef dilation, std::int64_t groups) {
    return conv_by_rule("conv2d", 2, x, w, bias, stride, padding, dilation, groups);
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

struct Conv3dByRule {
  static constexpr OperatorInfo info = {
      .name = "conv3d",
      .signature =
          "conv3d(Tensor input, Tensor weight, Tensor? bias, int[] stride, str padding, int[] dilation=1, "
          "int groups=1) -> Tensor",
      .formula = "y = convolution(x, w, b)",
      .doc =
          "The same with the padding 'valid', which is none, or 'same': with a stride of 1, the one that keeps all "
          "sizes; where it is odd, the larger half is behind.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride,
                        std::string_view padding, IntArrayRef dilation, std::int64_t groups) {
    return conv_by_rule("conv3d", 3, x, w, bias, stride, padding, dilation, groups);
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

DimVector same_padding(IntArrayRef kernel_size, IntArrayRef dilation) {
  DimVector out;
  for (std::size_t d = 0; d < kernel_size.size(); ++d) {
    const std::int64_t both = dilation[d] * (kernel_size[d] - 1);
    out.push_back(both / 2);
    out.push_back(both - both / 2);
  }
  return out;
}

#include <backflow/ops/conv_functions.inc>

OperatorFamily conv_operators() {
  return family<Conv1d, Conv1dByRule, Conv2d, Conv2dByRule, Conv3d, Conv3dByRule, ConvTranspose1d, ConvTranspose2d,
                ConvTranspose3d>("conv");
}

}  // namespace backflow
